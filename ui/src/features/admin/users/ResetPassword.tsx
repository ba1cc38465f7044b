import { Alert, Button, Group, Modal } from "@mantine/core";
import { type AdminUserDetail, useResetUser } from "@/api/adminUsers";
import ConfirmModal from "@/ui/feedback/ConfirmModal";
import { toast } from "@/ui/feedback/toast";
import { CodeBlock } from "@/ui/text/CodeBlock";
import { CopyButton } from "@/ui/text/CopyButton";
import classes from "../Admin.module.css";
import { strings } from "./strings";

type Props = { user: AdminUserDetail; onClose: () => void };

/** Creates a link with which a person sets a new password, and shows it once. */
export function ResetPassword({ user, onClose }: Props) {
  const reset = useResetUser(user.id);
  if (reset.data === undefined) {
    return (
      <ConfirmModal
        isOpen
        title={strings.resetQuestion(user.email)}
        action={strings.createLink}
        isPending={reset.isPending}
        onClose={onClose}
        onConfirm={() =>
          reset.mutate(undefined, {
            onError: (error) => {
              toast.failure(strings.notCreated, error);
              onClose();
            },
          })
        }
      >
        {strings.resetText}
      </ConfirmModal>
    );
  }
  const { link, emailed } = reset.data;
  return (
    <Modal
      opened
      centered
      size="lg"
      onClose={onClose}
      closeOnClickOutside={false}
      title={strings.linkTitle(user.email)}
    >
      <div className={classes.form}>
        <Alert color="yellow">
          {strings.linkOnce} {emailed ? strings.linkSent : strings.linkNotSent}
        </Alert>
        <CodeBlock label={strings.link} code={link} />
        <Group justify="flex-end" gap={8}>
          <CopyButton value={link} what="link" withText />
          <Button onClick={onClose}>{strings.done}</Button>
        </Group>
      </div>
    </Modal>
  );
}
