import { Button, Group, Modal, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { asApiError } from "@/api/errors";
import { useUser } from "@/api/session";
import { useCreateWorkspace } from "@/api/workspaces";
import { FormError } from "@/ui/feedback/FormError";
import { strings } from "./strings";
import { switchWorkspace } from "./switchWorkspace";
import classes from "./Workspaces.module.css";

/** Creates a workspace and shows it. */
export default function CreateWorkspace({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const user = useUser();
  const create = useCreateWorkspace();
  const errors = create.error ? asApiError(create.error).fieldErrors : {};
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate(name, {
      onSuccess: (workspace) => void switchWorkspace(workspace, user.id, "/settings/members"),
    });
  };
  return (
    <Modal opened onClose={onClose} title={strings.create} centered>
      <form onSubmit={submit} className={classes.form} noValidate>
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
          <Button type="submit" loading={create.isPending || create.isSuccess}>
            {strings.create}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
