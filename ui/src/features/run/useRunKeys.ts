import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useCan } from "@/api/access";
import { isFinal, type Run } from "@/api/run";
import { neighbourQuery } from "@/api/runNeighbours";
import { toast } from "@/ui/feedback/toast";
import { useKeys } from "@/ui/keys/useKeys";
import { strings } from "./strings";

type Actions = { onRetry: () => void; onClose: (() => void) | null };

/** Keys of the page that do not belong to the tree. */
export function useRunKeys(run: Run, { onRetry, onClose }: Actions): void {
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  const texts = strings.keys;
  const canRetry = useCan("pipelines:execute");
  const open = async (which: "previous" | "next") => {
    try {
      const runId = await queryClient.fetchQuery(neighbourQuery(run, which));
      if (runId !== null) await navigate({ to: "/runs/$runId", params: { runId } });
    } catch (error) {
      toast.failure(texts.neighbourFailed, error);
    }
  };
  useKeys(texts.runTitle, [
    { key: "[", label: texts.previousRun, run: () => void open("previous") },
    { key: "]", label: texts.nextRun, run: () => void open("next") },
    ...(canRetry && isFinal(run.status) ? [{ key: "r", label: texts.retry, run: onRetry }] : []),
    ...(onClose === null ? [] : [{ key: "Escape", label: texts.close, run: onClose }]),
  ]);
}
