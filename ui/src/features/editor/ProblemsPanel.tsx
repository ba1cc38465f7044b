import { UnstyledButton } from "@mantine/core";
import { CircleAlert, TriangleAlert } from "lucide-react";
import { Message } from "@/ui/text/Message";
import classes from "./Panels.module.css";
import { strings } from "./strings";
import type { Problem, Problems } from "./useProblems";

type Props = { problems: Problems; onGoTo: (line: number, column: number | null) => void };

export function ProblemsPanel({ problems: { all, isCurrent, error }, onGoTo }: Props) {
  return (
    <>
      {error !== null && (
        <p className={classes.lead} role="alert">
          {strings.notChecked} <Message text={error.message} />
        </p>
      )}
      {all.length === 0 && error === null && (
        <p className={classes.lead}>{isCurrent ? strings.noProblems : strings.checking}</p>
      )}
      <ul aria-label={strings.problems} className={classes.problems}>
        {all.map((problem) => (
          <li key={`${problem.issue.path} ${problem.issue.code} ${problem.issue.line}`}>
            <ProblemRow problem={problem} onGoTo={onGoTo} />
          </li>
        ))}
      </ul>
    </>
  );
}

function ProblemRow({
  problem: { issue, severity },
  onGoTo,
}: { problem: Problem } & Pick<Props, "onGoTo">) {
  const Icon = severity === "error" ? CircleAlert : TriangleAlert;
  const line = issue.line ?? null;
  return (
    <UnstyledButton
      className={classes.problem}
      onClick={() => onGoTo(line ?? 1, issue.column ?? null)}
    >
      <Icon size={16} role="img" aria-label={strings[severity]} className={classes[severity]} />
      <span className={classes.message}>
        <Message text={issue.message} />
      </span>
      <span className={classes.where}>
        {line !== null && strings.line(line)}
        {line !== null && issue.path !== "" && " · "}
        <code className="mono">{issue.path}</code>
      </span>
    </UnstyledButton>
  );
}
