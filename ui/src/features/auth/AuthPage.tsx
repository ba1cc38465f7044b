import { Alert } from "@mantine/core";
import type { FormEvent, ReactNode } from "react";
import { asApiError } from "@/api/errors";
import { ErrorText } from "@/ui/feedback/ErrorText";
import { usePageTitle } from "@/ui/shell/pageTitle";
import icon from "@/ui/theme/icon.svg";
import classes from "./AuthPage.module.css";

type Props = {
  title: string;
  intro?: ReactNode;
  /** The last failure of the form. Messages of its fields belong to the fields. */
  error?: unknown;
  /** Paths of the fields that show their messages. */
  fields?: readonly string[];
  onSubmit?: () => void;
  children: ReactNode;
  footer?: ReactNode;
};

/** A page with one form, for visitors without a session. */
export function AuthPage({ title, intro, error, fields = [], onSubmit, children, footer }: Props) {
  usePageTitle(title);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onSubmit?.();
  };
  return (
    <main className={classes.page}>
      <form onSubmit={submit} className={classes.form} aria-labelledby="auth-title" noValidate>
        <img src={icon} alt="stepIQ" width={32} height={32} />
        <h1 id="auth-title" className={classes.title}>
          {title}
        </h1>
        {intro && <p className={classes.intro}>{intro}</p>}
        <Failure error={error} fields={fields} />
        {children}
      </form>
      {footer && <p className={classes.footer}>{footer}</p>}
    </main>
  );
}

function Failure({ error, fields }: { error: unknown; fields: readonly string[] }) {
  if (error === null || error === undefined) return null;
  const problem = asApiError(error);
  const isAtFields =
    problem.issues.length > 0 && problem.issues.every((issue) => fields.includes(issue.path));
  if (isAtFields) return null;
  return (
    <Alert color="red" variant="light" role="alert" className={classes.failure}>
      <ErrorText error={problem} />
    </Alert>
  );
}
