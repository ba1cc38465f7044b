import { Button, Group, Modal, Text } from "@mantine/core";
import type { ConfirmProps } from "./ConfirmDialog";

export default function ConfirmModal(props: ConfirmProps) {
  const { title, children, action, keep = "Cancel", isOpen, isPending, onConfirm, onClose } = props;
  return (
    <Modal opened={isOpen} onClose={onClose} title={title} centered>
      <Text component="div" size="sm">
        {children}
      </Text>
      <Group justify="flex-end" gap={8} mt={16}>
        <Button variant="default" onClick={onClose} data-autofocus>
          {keep}
        </Button>
        <Button color="red" loading={isPending} onClick={onConfirm}>
          {action}
        </Button>
      </Group>
    </Modal>
  );
}
