import { Button, Group, Modal, Text } from "@mantine/core";
import type { ReactNode } from "react";

type Props = {
  /** A question that names what is affected: "Revoke the key “deploy”?". */
  title: string;
  /** What happens, and what cannot be undone. */
  children: ReactNode;
  /** The verb of the question: "Revoke". */
  action: string;
  isOpen: boolean;
  isPending?: boolean;
  onConfirm: () => void;
  onClose: () => void;
};

/** Asks once before an action that cannot be undone. Focus begins on Cancel. */
export function ConfirmDialog(props: Props) {
  const { title, children, action, isOpen, isPending = false, onConfirm, onClose } = props;
  return (
    <Modal opened={isOpen} onClose={onClose} title={title} centered>
      <Text size="sm">{children}</Text>
      <Group justify="flex-end" gap={8} mt={16}>
        <Button variant="default" onClick={onClose} data-autofocus>
          Cancel
        </Button>
        <Button color="red" loading={isPending} onClick={onConfirm}>
          {action}
        </Button>
      </Group>
    </Modal>
  );
}
