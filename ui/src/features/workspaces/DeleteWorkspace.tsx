import { Button, Group, Modal, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useDeleteWorkspace } from "@/api/workspaces";
import { FormError } from "@/ui/feedback/FormError";
import { strings } from "./strings";
import classes from "./Workspaces.module.css";

type Props = { name: string; onClose: () => void };

/** Deletes the workspace of this tab after its name was typed. */
export default function DeleteWorkspace({ name, onClose }: Props) {
  const [typed, setTyped] = useState("");
  const remove = useDeleteWorkspace();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed === name) remove.mutate(name);
  };
  return (
    <Modal opened centered onClose={onClose} title={strings.deleteTitle(name)}>
      <form onSubmit={submit} className={classes.form} noValidate>
        <FormError error={remove.error} fields={[]} />
        <div>{strings.deleteText}</div>
        <TextInput
          label={strings.typeName(name)}
          value={typed}
          autoComplete="off"
          data-autofocus
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            {strings.cancel}
          </Button>
          <Button
            type="submit"
            color="red"
            disabled={typed !== name}
            loading={remove.isPending || remove.isSuccess}
          >
            {strings.delete}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
