import type { ReactNode } from "react";
import { asApiError } from "@/api/errors";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { usePageTitle } from "@/ui/shell/pageTitle";
import icon from "@/ui/theme/icon.svg";
import classes from "./LinkPage.module.css";

type Props = {
  title: string;
  /** Title of the browser's tab, if it is another one. */
  tab?: string;
  children: ReactNode;
};

/** A page that a link from an email opens. It needs no account, so it has no navigation. */
export function LinkPage({ title, tab = title, children }: Props) {
  usePageTitle(tab);
  return (
    <main className={classes.page}>
      <article className={classes.sheet}>
        <header className={classes.head}>
          <img src={icon} alt="stepIQ" width={24} height={24} />
          <h1 className={classes.title}>{title}</h1>
        </header>
        {children}
      </article>
    </main>
  );
}

type ProblemProps = {
  title: string;
  error?: unknown;
  onRetry?: () => void;
  children?: ReactNode;
};

/** Why a link does not work. If the same request can succeed later, it can be repeated. */
export function LinkProblem({ title, error, onRetry, children }: ProblemProps) {
  if (error !== undefined) {
    const canRetry = asApiError(error).isTransient;
    return <ErrorState error={error} title={title} onRetry={canRetry ? onRetry : undefined} />;
  }
  return (
    <div role="alert">
      <h2 className={classes.problem}>{title}</h2>
      <p className={classes.text}>{children}</p>
    </div>
  );
}
