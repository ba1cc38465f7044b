import { Button } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { eventsQuery, type Run, type RunEvent } from "@/api/run";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TableSkeleton } from "@/ui/feedback/Skeletons";
import { LOCALE } from "@/ui/format/locale";
import { formatExact } from "@/ui/format/times";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import { useLastSeq } from "../useRun";
import { eventDetail, eventStep } from "./eventTexts";
import { strings } from "./strings";

const texts = strings.events;

const clock = new Intl.DateTimeFormat(LOCALE, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hourCycle: "h23",
});

const COLUMNS: readonly Column<RunEvent>[] = [
  {
    id: "seq",
    header: texts.number,
    width: "72px",
    align: "end",
    cell: ({ data }) => <span className="numeric">{data.seq}</span>,
  },
  {
    id: "time",
    header: texts.time,
    cell: ({ data }) => (
      <time
        dateTime={data.created_at}
        title={formatExact(new Date(data.created_at))}
        className="numeric"
      >
        {clock.format(new Date(data.created_at))}
      </time>
    ),
  },
  { id: "type", header: texts.type, cell: ({ type }) => <code className="mono">{type}</code> },
  { id: "step", header: texts.step, cell: (event) => eventStep(event) },
  { id: "detail", header: texts.detail, cell: (event) => eventDetail(event), wideOnly: true },
];

/** The recorded events of the run. New ones are added while a person looks at the end of the list. */
export default function Events({ run }: { run: Run }) {
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetching } = useInfiniteQuery(
    eventsQuery(run.id),
  );
  const events = data?.pages.flatMap((page) => page.data) ?? [];
  const last = events.at(-1)?.data.seq ?? 0;
  const newest = useLastSeq();
  const isBehind = data !== undefined && !hasNextPage && newest > last;
  useEffect(() => {
    if (isBehind && !isFetching) void refetch();
  }, [isBehind, isFetching, refetch]);
  if (error)
    return <ErrorState error={error} title={texts.notLoaded} onRetry={() => void refetch()} />;
  if (data === undefined) return <TableSkeleton columns={5} />;
  return (
    <DataTable
      label={texts.label}
      columns={COLUMNS}
      rows={events}
      rowId={({ data: { seq } }) => String(seq)}
      footer={
        hasNextPage && (
          <Button variant="default" loading={isFetching} onClick={() => void fetchNextPage()}>
            {texts.more}
          </Button>
        )
      }
    />
  );
}
