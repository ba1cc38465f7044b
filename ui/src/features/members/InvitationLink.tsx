import { Alert, Button, Group, Modal } from "@mantine/core";
import type { CreatedInvitation } from "@/api/members";
import { CodeBlock } from "@/ui/text/CodeBlock";
import { CopyButton } from "@/ui/text/CopyButton";
import classes from "./Members.module.css";
import { strings } from "./strings";

type Props = { invitation: CreatedInvitation; onClose: () => void; onAnother: () => void };

/** Shows the link of an invitation once. A click beside the dialog does not close it. */
export default function InvitationLink({ invitation, onClose, onAnother }: Props) {
  const { email, url, unsent_reason: unsentReason } = invitation;
  return (
    <Modal
      opened
      onClose={onClose}
      title={strings.linkTitle(email)}
      size="lg"
      centered
      closeOnClickOutside={false}
    >
      <div className={classes.form}>
        <Alert color={unsentReason === null ? "green" : "yellow"}>
          {unsentReason === null
            ? strings.linkEmailed(email)
            : strings.linkNotEmailed(email, unsentReason)}
        </Alert>
        <CodeBlock label={strings.link} code={url} />
        <Group justify="flex-end" gap={8}>
          <Button variant="subtle" onClick={onAnother}>
            {strings.another}
          </Button>
          <CopyButton value={url} what="link" withText />
          <Button onClick={onClose}>{strings.done}</Button>
        </Group>
      </div>
    </Modal>
  );
}
