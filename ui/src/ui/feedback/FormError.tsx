import { Alert } from "@mantine/core";
import { asApiError } from "@/api/errors";
import { ErrorText } from "./ErrorText";

/** The failure of a form, unless each of its messages belongs to a field that shows it. `fields` are these fields. */
export function FormError({ error, fields }: { error: unknown; fields: readonly string[] }) {
  if (error === null || error === undefined) return null;
  const problem = asApiError(error);
  const isShown = (path: string) => fields.includes(path);
  const others = problem.issues.filter(({ path }) => !isShown(path));
  if (problem.issues.length > 0 && others.length === 0) return null;
  return (
    <Alert color="red" role="alert">
      <ErrorText
        error={problem}
        text={others.map(({ message }) => message).join(" ") || undefined}
      />
    </Alert>
  );
}
