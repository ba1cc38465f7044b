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
  const { change, live } = useMemo(() => {
    const { queryKey } = runListQuery(filter);
    const change = (act: (list: RunList) => RunList) => {
      queryClient.setQueryData(queryKey, (list) => (list === undefined ? undefined : act(list)));
    };
    const read = () => {
      const list = queryClient.getQueryData(queryKey);
      const known = (list?.rows.length ?? 0) + (list?.waiting.length ?? 0);
      return readRuns(filter, undefined, Math.max(known, 1));
    };
    return { change, live: new LiveRuns({ change, read }) };
  }, [url, queryClient]);

  const query = useQuery({ ...runListQuery(filter), placeholderData: keepPreviousData });
  useEventStream(query.isSuccess ? url : null, (events) => live.apply(events));

  const more = useMutation({
    mutationFn: (cursor: string) => readRuns(filter, cursor),
    onSuccess: (page) => change((list) => addPage(list, page)),
  });
  return { query, more, showWaiting: () => change(showWaiting) };
}
