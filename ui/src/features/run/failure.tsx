import { Anchor } from "@mantine/core";

export type Failure = { code: string; message: string; step_id?: string | null };

/** An error of a run or a step, which the API shows as JSON. */
export function failureOf(error: unknown): Failure | null {
  if (typeof error !== "object" || error === null) return null;
  const { code, message, step_id } = error as Record<string, unknown>;
  return {
    code: String(code ?? "unknown"),
    message: String(message ?? ""),
    step_id: typeof step_id === "string" ? step_id : null,
  };
}

export function CodeLink({ code }: { code: string }) {
  return (
    <Anchor
      href={`/docs/errors#${encodeURIComponent(code)}`}
      target="_blank"
      className="mono"
      underline="always"
    >
      {code}
    </Anchor>
  );
}
