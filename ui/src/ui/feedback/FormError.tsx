import { Alert, Anchor } from "@mantine/core";
import { asApiError } from "@/api/errors";

/** The failure of a form, unless each of its messages belongs to a field that shows it. `fields` are these fields. */
export function FormError({ error, fields }: { error: unknown; fields: readonly string[] }) {
  if (error === null || error === undefined) return null;
  const problem = asApiError(error);
  const isShown = (path: string) => fields.includes(path);
  const others = problem.issues.filter(({ path }) => !isShown(path));
  if (problem.issues.length > 0 && others.length === 0) return null;
  return (
    <Alert color="red" role="alert">
      {others.length > 0 ? others.map(({ message }) => message).join(" ") : problem.message}
      {problem.docsUrl !== null && (
        <>
          {" "}
          <Anchor href={problem.docsUrl} target="_blank" size="sm">
            {problem.code}
          </Anchor>
        </>
      )}
    </Alert>
  );
}
