import { Checkbox } from "@mantine/core";
import { useQueries } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { versionTextQuery } from "@/api/versions";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { type DiffRow, sideBySide } from "./sideBySide";
import { strings, unchangedText } from "./strings";
import classes from "./Versions.module.css";

type Props = { id: string; before: number; after: number };

/** The texts of two versions side by side. */
export default function TextDiff({ id, before, after }: Props) {
  const [old, now] = useQueries({
    queries: [versionTextQuery(id, before), versionTextQuery(id, after)],
  });
  const error = old.error ?? now.error;
  if (error !== null) {
    const retry = () => void Promise.all([old.refetch(), now.refetch()]);
    return <ErrorState error={error} onRetry={retry} />;
  }
  if (old.data === undefined || now.data === undefined) return <TextSkeleton lines={8} />;
  if (old.data === now.data) return <p className="dimmed">{strings.sameText}</p>;
  return <Lines before={before} after={after} old={old.data} now={now.data} />;
}

type LinesProps = { before: number; after: number; old: string; now: string };

function Lines({ before, after, old, now }: LinesProps) {
  const [isWhole, setWhole] = useState(false);
  const rows = useMemo(() => sideBySide(old, now, !isWhole), [old, now, isWhole]);
  return (
    <>
      <Checkbox
        label={strings.allLines}
        checked={isWhole}
        mb={8}
        onChange={(event) => setWhole(event.currentTarget.checked)}
      />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
      <div className={classes.diff} tabIndex={0}>
        <table
          className={`${classes.lines} mono`}
          aria-label={`Text of versions ${before} and ${after}`}
        >
          <colgroup>
            <col style={{ width: 48 }} />
            <col />
            <col style={{ width: 48 }} />
            <col />
          </colgroup>
          <thead className="visually-hidden">
            <tr>
              <th scope="colgroup" colSpan={2}>{`${strings.version} ${before}`}</th>
              <th scope="colgroup" colSpan={2}>{`${strings.version} ${after}`}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row, index) => (
              <Row key={index} row={row} />
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Row({ row }: { row: DiffRow }) {
  if (row.kind === "folded") {
    return (
      <tr>
        <td colSpan={4} className={classes.folded}>
          {unchangedText(row.count)}
        </td>
      </tr>
    );
  }
  const isChanged = row.kind === "changed";
  return (
    <tr>
      <Side line={row.left} sign={isChanged ? "−" : ""} tone={isChanged ? classes.removed : ""} />
      <Side line={row.right} sign={isChanged ? "+" : ""} tone={isChanged ? classes.added : ""} />
    </tr>
  );
}

type SideProps = {
  line: { number: number; text: string } | null;
  sign: string;
  tone: string | undefined;
};

function Side({ line, sign, tone }: SideProps) {
  if (line === null) return <td colSpan={2} />;
  return (
    <>
      <td className={`${classes.number} ${tone}`}>{line.number}</td>
      <td className={`${classes.text} ${tone}`}>
        <span className={classes.sign}>{sign}</span>
        {line.text}
      </td>
    </>
  );
}
