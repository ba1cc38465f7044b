import { Button, Group, Modal, Text } from "@mantine/core";
import { useCancelRun } from "@/api/run";
import { toast } from "@/ui/feedback/toast";
import { strings } from "./strings";

/** Asks once before a run is cancelled. */
export default function CancelDialog({ runId, onClose }: { runId: string; onClose: () => void }) {
  const cancel = useCancelRun(runId);
  const confirm = () =>
    cancel.mutate(undefined, {
      onSuccess: () => toast.success(strings.cancelled),
      onError: (error) => toast.failure(strings.cancelFailed, error),
      onSettled: onClose,
    });
  return (
    <Modal opened onClose={onClose} title={strings.cancelTitle}>
      <Text>{strings.cancelText}</Text>
      <Group justify="flex-end" mt="lg">
        <Button variant="default" onClick={onClose}>
          {strings.cancelKeep}
        </Button>
        <Button color="red" loading={cancel.isPending} onClick={confirm}>
          {strings.cancelConfirm}
        </Button>
      </Group>
    </Modal>
  );
}
