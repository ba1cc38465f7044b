import { useEffect, useMemo, useState } from "react";
import { type ApiError, asApiError } from "@/api/errors";
import { type Issue, type Validation, validateText } from "@/api/pipelines";

const PAUSE_MS = 120;

export type Problem = { issue: Issue; severity: "error" | "warning" };
export type Problems = {
  all: readonly Problem[];
  /** Whether the result is that of the present text. */
  isCurrent: boolean;
  error: ApiError | null;
};

type Result = { text: string; found: Validation | null; error: ApiError | null };

/** The problems of a text, from the server, after a short pause. `saveError`: why it was not saved. */
export function useProblems(text: string, saveError: ApiError | null): Problems {
  const [result, setResult] = useState<Result | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    const check = async () => {
      try {
        const found = await validateText(text, abort.signal);
        setResult({ text, found, error: null });
      } catch (error) {
        if (!abort.signal.aborted) setResult({ text, found: null, error: asApiError(error) });
      }
    };
    const timer = setTimeout(check, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [text]);
  const isCurrent = result?.text === text;
  const all = useMemo(() => listed(result?.found ?? null, saveError), [result, saveError]);
  return { all, isCurrent, error: result?.error ?? null };
}

function listed(found: Validation | null, saveError: ApiError | null): Problem[] {
  const errors = found?.errors ?? [];
  // What only saving checks, such as the limits of the plan.
  const more = (saveError?.issues ?? []).filter(
    ({ path, code }) => !errors.some((each) => each.path === path && each.code === code),
  );
  const all = [
    ...[...errors, ...more].map((issue): Problem => ({ issue, severity: "error" })),
    ...(found?.warnings ?? []).map((issue): Problem => ({ issue, severity: "warning" })),
  ];
  return all.sort((one, other) => (one.issue.line ?? 0) - (other.issue.line ?? 0));
}
