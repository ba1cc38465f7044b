import { useQuery } from "@tanstack/react-query";
import { type Run, type StepDetail, versionTextQuery } from "@/api/run";
import { Message } from "@/ui/text/Message";
import { CodeLink, failureOf } from "../failure";
import classes from "./Inspector.module.css";
import { lineOf } from "./kinds";
import { strings } from "./strings";

const LINES_BEFORE = 2;
const LINES_AFTER = 5;

type Props = { run: Run; detail: StepDetail };

/** Why a step failed, and the part of the definition that it concerns. */
export function FailureBox({ run, detail }: Props) {
  const failure = failureOf(detail.error);
  if (failure === null) return null;
  return (
    <div className={classes.error}>
      <div>
        <strong>{strings.failure.title}</strong> <CodeLink code={failure.code} />
      </div>
      <p>
        <Message text={failure.message} />
      </p>
      <Excerpt run={run} stepId={detail.step_id} />
    </div>
  );
}

/** The lines around the beginning of a step in the text of the version. */
function Excerpt({ run, stepId }: { run: Run; stepId: string }) {
  const { data: text } = useQuery(versionTextQuery(run.pipeline_id, run.pipeline_version));
  const line = text === undefined ? null : lineOf(text, stepId);
  if (text === undefined || line === null) return null;
  const first = Math.max(1, line - LINES_BEFORE);
  const lines = text.split("\n").slice(first - 1, line + LINES_AFTER);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
    <figure aria-label={strings.failure.line(line)} className={classes.lines} tabIndex={0}>
      {lines.map((each, index) => (
        <div key={first + index} className={classes.line} data-marked={first + index === line}>
          <span className={classes.number}>{first + index}</span>
          <span>{each}</span>
        </div>
      ))}
    </figure>
  );
}
