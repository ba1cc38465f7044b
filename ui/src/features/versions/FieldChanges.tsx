import { useQuery } from "@tanstack/react-query";
import { type Change, changesQuery } from "@/api/versions";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { strings } from "./strings";
import classes from "./Versions.module.css";

const MAX_CHARACTERS = 120;

/** A value of a field in one line. */
function valueText(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const line = text.trim().replace(/\s+/g, " ");
  return line.length > MAX_CHARACTERS ? `${line.slice(0, MAX_CHARACTERS)}…` : line;
}

type Props = { id: string; before: number; after: number };

/** The changed fields of a definition in words. */
export function FieldChanges({ id, before, after }: Props) {
  const changes = useQuery(changesQuery(id, before, after));
  if (changes.isPending) return <TextSkeleton />;
  if (changes.isError)
    return <ErrorState error={changes.error} onRetry={() => void changes.refetch()} />;
  if (changes.data.length === 0) return <p className="dimmed">{strings.noChanges}</p>;
  return (
    <ul className={classes.changes} aria-label={strings.changes}>
      {changes.data.map((change) => (
        <li key={`${change.op}:${change.path}`}>
          <Words change={change} />
        </li>
      ))}
    </ul>
  );
}

function Words({ change: { op, path, before, after } }: { change: Change }) {
  const code = (value: unknown) => <code className="mono">{valueText(value)}</code>;
  return (
    <>
      {strings.ops[op]} {code(path)}
      {op === "add" && <>: {code(after)}</>}
      {op === "remove" && <>: {code(before)}</>}
      {op === "replace" && (
        <>
          {" from "}
          {code(before)} to {code(after)}
        </>
      )}
    </>
  );
}
