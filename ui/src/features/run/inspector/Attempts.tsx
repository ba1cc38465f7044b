import type { Operation, StepDetail } from "@/api/run";
import { Duration, Tokens } from "@/ui/format/Values";
import { type Status, StatusBadge } from "@/ui/StatusBadge";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import { CodeLink, failureOf } from "../failure";
import { Note } from "./parts";
import { strings } from "./strings";

const texts = strings.attempts;

const COLUMNS: readonly Column<Operation>[] = [
  {
    id: "call",
    header: texts.call,
    cell: ({ attempt, number, kind, starts }) => (
      <>
        {strings.attempt(attempt)}, <code className="mono">{kind}</code> {number}
        {starts > 1 && <span className="dimmed"> · {texts.restarted(starts)}</span>}
      </>
    ),
  },
  {
    id: "status",
    header: texts.status,
    cell: ({ status, error }) => {
      const failure = failureOf(error);
      return (
        <>
          <StatusBadge status={status as Status} /> {failure && <CodeLink code={failure.code} />}
        </>
      );
    },
  },
  {
    id: "duration",
    header: texts.duration,
    align: "end",
    cell: ({ duration_ms }) => <Duration ms={duration_ms} />,
  },
  {
    id: "tokens",
    header: texts.tokens,
    align: "end",
    cell: ({ model, input_tokens, output_tokens }) => (
      <Tokens count={model === null ? null : input_tokens + output_tokens} />
    ),
  },
];

/** All calls of the step in their order. */
export function Attempts({ detail }: { detail: StepDetail }) {
  if (detail.operations.length === 0) return <Note>{strings.noCall}</Note>;
  return (
    <>
      <DataTable
        label={texts.label}
        columns={COLUMNS}
        rows={detail.operations}
        rowId={({ id }) => id}
      />
      {detail.next_cursor !== null && <Note>{texts.more}</Note>}
    </>
  );
}
