import { Button } from "@mantine/core";
import { CircleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { asApiError } from "@/api/errors";
import { Message } from "../text/Message";
import { ErrorCode } from "./ErrorText";
import classes from "./States.module.css";

type Props = {
  error: unknown;
  /** What could not be done: "The runs could not be loaded". */
  title?: string;
  onRetry?: () => void;
  /** More actions beside Retry. */
  children?: ReactNode;
};

/** An error in the place of what it prevents: the server's message, its code with a link to the docs, and a retry. */
export function ErrorState({
  error,
  title = "This could not be loaded",
  onRetry,
  children,
}: Props) {
  const problem = asApiError(error);
  return (
    <div role="alert" className={classes.state}>
      <CircleAlert size={24} className={classes.failed} aria-hidden />
      <h2 className={classes.title}>{title}</h2>
      <p className={classes.text}>
        <Message text={problem.message} />
      </p>
      {problem.issues.length > 0 && (
        <ul className={classes.issues}>
          {problem.issues.map((issue) => (
            <li key={`${issue.path}:${issue.code}:${issue.line}`}>
              <code className="mono">{issue.path}</code> <Message text={issue.message} />
            </li>
          ))}
        </ul>
      )}
      <p className={classes.facts}>
        <ErrorCode code={problem.code} href={problem.docsUrl} />
        {problem.requestId !== null && (
          <>
            {" · Request "}
            <code className="mono">{problem.requestId}</code>
          </>
        )}
      </p>
      <div className={classes.actions}>
        {onRetry && (
          <Button variant="default" onClick={onRetry}>
            Try again
          </Button>
        )}
        {children}
      </div>
    </div>
  );
}
