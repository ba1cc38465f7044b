import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useCan } from "@/api/access";
import { useCancelBulkJob } from "@/api/bulkJobs";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { toast } from "@/ui/feedback/toast";
import { strings } from "./strings";

export function StopButton({ jobId }: { jobId: string }) {
  const [isOpen, dialog] = useDisclosure(false);
  const cancel = useCancelBulkJob(jobId);
  const canStop = useCan("pipelines:execute");
  const confirm = () =>
    cancel.mutate(undefined, {
      onSuccess: () => toast.success(strings.stopped),
      onError: (error) => toast.failure(strings.stopFailed, error),
      onSettled: dialog.close,
    });
  if (!canStop) return null;
  return (
    <>
      <Button variant="default" onClick={dialog.open}>
        {strings.stop}
      </Button>
      <ConfirmDialog
        isOpen={isOpen}
        title={strings.stopTitle}
        action={strings.stopConfirm}
        keep={strings.stopKeep}
        isPending={cancel.isPending}
        onConfirm={confirm}
        onClose={dialog.close}
      >
        {strings.stopText}
      </ConfirmDialog>
    </>
  );
}
