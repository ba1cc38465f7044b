import { Anchor } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type Tick, ticksQuery } from "@/api/schedules";
import { RunLink } from "@/features/run/links";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { RelativeTime } from "@/ui/format/Values";
import { type Status, StatusBadge } from "@/ui/StatusBadge";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import { isErrorCode, reasonText, strings } from "./strings";

const STATUSES: Readonly<Record<Tick["outcome"], Status>> = {
  started: "completed",
  skipped: "skipped",
  missed: "failed",
};

const COLUMNS: readonly Column<Tick>[] = [
  {
    id: "due",
    header: strings.due,
    width: "120px",
    cell: ({ due_at }) => <RelativeTime time={due_at} />,
  },
  {
    id: "result",
    header: strings.result,
    cell: ({ outcome }) => (
      <StatusBadge status={STATUSES[outcome]} label={strings.outcomes[outcome]} />
    ),
  },
  { id: "run", header: strings.run, cell: (tick) => <Became tick={tick} /> },
];

function Became({ tick: { run_id, reason } }: { tick: Tick }) {
  if (run_id !== null) return <RunLink runId={run_id} />;
  if (reason === null) return null;
  return isErrorCode(reason) ? (
    <Anchor href={`/docs/errors#${reason}`} target="_blank" className="mono">
      {reason}
    </Anchor>
  ) : (
    <span className="dimmed">{reasonText(reason)}</span>
  );
}

/** What became of the last times at which a schedule was due. */
export function Ticks({ id }: { id: string }) {
  const ticks = useQuery(ticksQuery(id));
  if (ticks.isPending) return <TextSkeleton />;
  if (ticks.isError) return <ErrorState error={ticks.error} onRetry={() => void ticks.refetch()} />;
  if (ticks.data.length === 0) return <p className="dimmed">{strings.noTicks}</p>;
  return (
    <DataTable
      label={strings.lastTicks}
      columns={COLUMNS}
      rows={ticks.data}
      rowId={({ due_at }) => due_at}
    />
  );
}
