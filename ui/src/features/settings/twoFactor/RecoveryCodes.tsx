import { Alert, Button, Group, Modal } from "@mantine/core";
import { Download } from "lucide-react";
import { saveBlob } from "@/ui/files";
import { CopyButton } from "@/ui/text/CopyButton";
import settings from "../Settings.module.css";
import { strings } from "./strings";
import classes from "./TwoFactor.module.css";

type Props = { codes: string[]; email: string; onClose: () => void };

/** Shows recovery codes once. Only the button closes the dialog, because the codes are then gone. */
export default function RecoveryCodes({ codes, email, onClose }: Props) {
  const download = () => {
    const text = strings.file(window.location.host, email, codes);
    saveBlob(new Blob([text], { type: "text/plain" }), strings.fileName);
  };
  return (
    <Modal
      opened
      onClose={onClose}
      title={strings.codesTitle}
      centered
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
    >
      <div className={settings.form}>
        <Alert color="yellow">{strings.codesText}</Alert>
        <ul className={classes.codes} aria-label={strings.codes}>
          {codes.map((code) => (
            <li key={code}>{code}</li>
          ))}
        </ul>
        <Group gap={8}>
          <CopyButton value={codes.join("\n")} what="codes" withText />
          <Button
            variant="default"
            leftSection={<Download size={16} aria-hidden />}
            onClick={download}
          >
            {strings.download}
          </Button>
        </Group>
        <Group justify="flex-end">
          <Button onClick={onClose}>{strings.stored}</Button>
        </Group>
      </div>
    </Modal>
  );
}
