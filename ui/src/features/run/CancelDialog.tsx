import { useCancelRun } from "@/api/run";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { toast } from "@/ui/feedback/toast";
import { strings } from "./strings";

/** Asks once before a run is cancelled. */
export function CancelDialog({ runId, onClose }: { runId: string; onClose: () => void }) {
  const cancel = useCancelRun(runId);
  const confirm = () =>
    cancel.mutate(undefined, {
      onSuccess: () => toast.success(strings.cancelled),
      onError: (error) => toast.failure(strings.cancelFailed, error),
      onSettled: onClose,
    });
  return (
    <ConfirmDialog
      isOpen
      title={strings.cancelTitle}
      action={strings.cancelConfirm}
      keep={strings.cancelKeep}
      isPending={cancel.isPending}
      onConfirm={confirm}
      onClose={onClose}
    >
      {strings.cancelText}
    </ConfirmDialog>
  );
}
