import { Button, Group, Modal, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useUser } from "@/api/session";
import { useCreateWorkspace } from "@/api/workspaces";
import { FormError } from "@/ui/feedback/FormError";
import { fieldErrors } from "@/ui/feedback/fieldErrors";
import { mayLeave } from "@/ui/shell/signOutChecks";
import { strings } from "./strings";
import { openWorkspace } from "./switchWorkspace";
import classes from "./Workspaces.module.css";

/** Creates a workspace and shows it. */
export default function CreateWorkspace({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [isAsking, setAsking] = useState(false);
  const user = useUser();
  const create = useCreateWorkspace();
  const errors = fieldErrors(create.error);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (isAsking) return;
    setAsking(true);
    const leaves = await mayLeave("switch");
    setAsking(false);
    if (!leaves) return;
    create.mutate(name, {
      onSuccess: (workspace) => openWorkspace(workspace, user.id, "/settings/members"),
    });
  };
  return (
    <Modal opened onClose={onClose} title={strings.create} centered>
      <form onSubmit={(event) => void submit(event)} className={classes.form} noValidate>
        <FormError error={create.error} fields={["name"]} />
        <Text size="sm">{strings.createText}</Text>
        <TextInput
          label={strings.name}
          description={strings.nameHint}
          data-autofocus
          maxLength={100}
          value={name}
          error={errors.name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            {strings.cancel}
          </Button>
          <Button type="submit" loading={isAsking || create.isPending || create.isSuccess}>
            {strings.create}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
