import { Button, Group, Modal, Text } from "@mantine/core";
import type { ReactNode } from "react";

export type ConfirmProps = {
  /** A question that names what is affected: "Revoke the key “deploy”?". */
  title: string;
  /** What happens, and what cannot be undone. */
  children: ReactNode;
  /** The verb of the question: "Revoke". */
  action: string;
  /** The other button. Default: Cancel. */
  keep?: string;
  isOpen: boolean;
  isPending?: boolean;
  onConfirm: () => void;
  onClose: () => void;
};

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
