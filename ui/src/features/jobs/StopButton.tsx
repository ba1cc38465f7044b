import { Button, Group, Modal, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useCancelBulkJob } from "@/api/bulkJobs";
import { toast } from "@/ui/feedback/toast";
import { strings } from "./strings";

export function StopButton({ jobId }: { jobId: string }) {
  const [isOpen, dialog] = useDisclosure(false);
  const cancel = useCancelBulkJob(jobId);
  const confirm = () =>
    cancel.mutate(undefined, {
      onSuccess: () => toast.success(strings.stopped),
      onError: (error) => toast.failure(strings.stopFailed, error),
      onSettled: dialog.close,
    });
  return (
    <>
      <Button variant="default" onClick={dialog.open}>
        {strings.stop}
      </Button>
      <Modal opened={isOpen} onClose={dialog.close} title={strings.stopTitle}>
        <Text>{strings.stopText}</Text>
        <Group justify="flex-end" mt="lg">
          <Button variant="default" onClick={dialog.close}>
            {strings.stopKeep}
          </Button>
          <Button color="red" loading={cancel.isPending} onClick={confirm}>
            {strings.stopConfirm}
          </Button>
        </Group>
      </Modal>
    </>
  );
}
