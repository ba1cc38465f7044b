import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { isFinal, neighboursQuery, type Run } from "@/api/run";
import { useKeys } from "@/ui/keys/useKeys";
import { strings } from "./strings";

type Actions = { onRetry: () => void; onClose: (() => void) | null };

/** Keys of the page that do not belong to the tree. */
export function useRunKeys(run: Run, { onRetry, onClose }: Actions): void {
  const navigate = useNavigate();
  const { data: neighbours } = useQuery(neighboursQuery(run));
  const open = (runId: string | null | undefined) => {
    if (runId) void navigate({ to: "/runs/$runId", params: { runId } });
  };
  const texts = strings.keys;
  useKeys(texts.runTitle, [
    { key: "[", label: texts.previousRun, run: () => open(neighbours?.previous) },
    { key: "]", label: texts.nextRun, run: () => open(neighbours?.next) },
    ...(isFinal(run.status) ? [{ key: "r", label: texts.retry, run: onRetry }] : []),
    ...(onClose === null ? [] : [{ key: "Escape", label: texts.close, run: onClose }]),
  ]);
}
