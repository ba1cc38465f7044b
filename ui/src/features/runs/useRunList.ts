import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { useEventStream } from "@/api/live/useEventStream";
import { type RunFilter, runsStreamUrl } from "@/api/runs";
import { LiveRuns } from "./model/liveRuns";
import { addPage, type RunList, showWaiting } from "./model/runList";
import { readRuns, runListQuery } from "./runListQuery";

/** The list of the runs that match a filter, live. While another filter loads, it is the earlier list. */
export function useRunList(filter: RunFilter) {
  const queryClient = useQueryClient();
  const url = runsStreamUrl(filter);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the URL changes when the filter does
  const { change, readMore, live } = useMemo(() => {
    const { queryKey } = runListQuery(filter);
    const change = (act: (list: RunList) => RunList) => {
      queryClient.setQueryData(queryKey, (list) => (list === undefined ? undefined : act(list)));
    };
    // The cursor and the list of one filter, because the filter can change during the request.
    const readMore = async () => {
      const next = queryClient.getQueryData(queryKey)?.next;
      if (!next) return;
      const page = await readRuns(filter, next);
      change((list) => addPage(list, page));
    };
    const read = () => {
      const list = queryClient.getQueryData(queryKey);
      const known = (list?.rows.length ?? 0) + (list?.waiting.length ?? 0);
      return readRuns(filter, undefined, Math.max(known, 1));
    };
    return { change, readMore, live: new LiveRuns({ change, read }) };
  }, [url, queryClient]);

  const query = useQuery({ ...runListQuery(filter), placeholderData: keepPreviousData });
  // Events that arrive before the list would be lost.
  const isLoaded = query.isSuccess && !query.isPlaceholderData;
  useEventStream(isLoaded ? url : null, (events) => live.apply(events));

  // The key resets the state when the filter changes.
  const more = useMutation({ mutationKey: [url], mutationFn: readMore });
  return { query, more, showWaiting: () => change(showWaiting) };
}
