import { Button, Group, Modal, PasswordInput, Textarea, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useSetSecret } from "@/api/secrets";
import { FormError } from "@/ui/feedback/FormError";
import { fieldErrors } from "@/ui/feedback/fieldErrors";
import { toast } from "@/ui/feedback/toast";
import classes from "./Settings.module.css";
import { strings } from "./strings";

type Props = {
  name: string;
  /** Whether the name is given, because a secret is replaced or a missing one is set. */
  isFixed: boolean;
  /** Those of the stored secret. The request contains them only if the person has changed them. */
  hosts: readonly string[];
  /** The only pipeline that can use the secret. Without it, all pipelines can. */
  pipelineId?: string;
  onClose: () => void;
};

export default function SetSecret(props: Props) {
  const { name: givenName, isFixed, hosts: givenHosts, pipelineId, onClose } = props;
  const [name, setName] = useState(givenName);
  const [value, setValue] = useState("");
  const [changedHosts, setHosts] = useState<string | null>(null);
  const set = useSetSecret(pipelineId);
  const errors = fieldErrors(set.error);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const hosts = changedHosts?.split(/[\s,]+/).filter(Boolean);
    // Only the form for a given name shows the hosts that an empty field removes.
    const none = isFixed ? null : undefined;
    set.mutate(
      { name, value, hosts: hosts?.length === 0 ? none : hosts },
      {
        onSuccess: ({ warning }) => {
          toast.success(`The secret “${name}” is set.${warning === null ? "" : ` ${warning}`}`);
          onClose();
        },
      },
    );
  };
  const title = isFixed ? `${strings.setSecret} “${givenName}”` : strings.setSecret;
  return (
    <Modal opened onClose={onClose} title={title} centered>
      <form onSubmit={submit} className={classes.form} noValidate autoComplete="off">
        <FormError error={set.error} fields={["name", "value"]} />
        {!isFixed && (
          <TextInput
            label={strings.secretName}
            description={strings.secretNameHint}
            data-autofocus
            value={name}
            error={errors.name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
        )}
        <PasswordInput
          label={strings.secretValue}
          data-autofocus={isFixed || undefined}
          autoComplete="off"
          value={value}
          error={errors.value}
          onChange={(event) => setValue(event.currentTarget.value)}
        />
        <Textarea
          label={strings.secretHosts}
          description={strings.secretHostsHint(isFixed)}
          rows={3}
          value={changedHosts ?? givenHosts.join("\n")}
          onChange={(event) => setHosts(event.currentTarget.value)}
        />
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={set.isPending}>
            {strings.setSecret}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
