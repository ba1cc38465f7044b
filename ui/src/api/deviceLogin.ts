import { keepPreviousData, queryOptions, useMutation } from "@tanstack/react-query";
import { api, unwrap, WORKSPACE_HEADER } from "./client";
import type { components } from "./schema";

export type DeviceLogin = components["schemas"]["DeviceLogin"];

/** A login of `stepiq` that waits, and what its key could do in a workspace. To open it changes nothing. */
export function deviceLoginQuery(code: string, workspaceId: string) {
  return queryOptions({
    queryKey: ["device-login", code, workspaceId],
    queryFn: ({ signal }) =>
      unwrap(
        api.POST("/api/user/device-login/open", {
          body: { user_code: code },
          headers: { [WORKSPACE_HEADER]: workspaceId },
          signal,
        }),
      ),
    // Wrong codes are counted.
    retry: false,
    refetchOnWindowFocus: false,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    placeholderData: keepPreviousData,
  });
}

type Decision = { code: string; approve: boolean; workspaceId: string };

/** Gives the program a key of a workspace, or refuses it. */
export function useDecideDeviceLogin() {
  return useMutation({
    mutationFn: ({ code, approve, workspaceId }: Decision) =>
      unwrap(
        api.POST("/api/user/device-login/decide", {
          body: { user_code: code, approve },
          headers: { [WORKSPACE_HEADER]: workspaceId },
        }),
      ),
  });
}
