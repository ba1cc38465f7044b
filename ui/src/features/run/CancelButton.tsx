import { Button, Group, Modal, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useCancelRun } from "@/api/run";
import { toast } from "@/ui/feedback/toast";
import { strings } from "./strings";

export function CancelButton({ runId }: { runId: string }) {
  const [isOpen, dialog] = useDisclosure(false);
  const cancel = useCancelRun(runId);
  const confirm = () =>
    cancel.mutate(undefined, {
      onSuccess: () => toast.success(strings.cancelled),
      onError: (error) => toast.failure(strings.cancelFailed, error),
      onSettled: dialog.close,
    });
  return (
    <>
      <Button variant="default" onClick={dialog.open}>
        {strings.cancel}
      </Button>
      <Modal opened={isOpen} onClose={dialog.close} title={strings.cancelTitle}>
        <Text>{strings.cancelText}</Text>
        <Group justify="flex-end" mt="lg">
          <Button variant="default" onClick={dialog.close}>
            {strings.cancelKeep}
          </Button>
          <Button color="red" loading={cancel.isPending} onClick={confirm}>
            {strings.cancelConfirm}
          </Button>
        </Group>
      </Modal>
    </>
  );
}
