import { Alert, Button, Group, Modal } from "@mantine/core";
import type { CreatedApiKey } from "@/api/keys";
import { CodeBlock } from "@/ui/text/CodeBlock";
import { CopyButton } from "@/ui/text/CopyButton";
import classes from "./Settings.module.css";
import { strings } from "./strings";

/** Shows a key once, with a command that uses it. A click beside the dialog does not close it. */
export default function NewKey({
  created,
  onClose,
}: {
  created: CreatedApiKey;
  onClose: () => void;
}) {
  const path = created.scopes.includes("pipelines:read") ? "/api/pipelines" : "/api/user/me";
  return (
    <Modal
      opened
      onClose={onClose}
      title={`Key “${created.name}”`}
      size="lg"
      centered
      closeOnClickOutside={false}
    >
      <div className={classes.form}>
        <Alert color="yellow">{strings.keyOnce}</Alert>
        <CodeBlock label="Key" code={created.key} />
        <CodeBlock
          label="Example"
          code={`curl ${window.location.origin}${path} \\\n  -H "X-API-Key: ${created.key}"`}
        />
        <Group justify="flex-end" gap={8}>
          <CopyButton value={created.key} what="key" withText />
          <Button onClick={onClose}>{strings.done}</Button>
        </Group>
      </div>
    </Modal>
  );
}
