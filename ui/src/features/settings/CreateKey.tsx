import { Button, Checkbox, Group, Modal, Select, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { type CreatedApiKey, type Scope, useCreateKey } from "@/api/keys";
import { useCreateServiceKey } from "@/api/serviceKeys";
import { FormError } from "@/ui/feedback/FormError";
import { fieldErrors } from "@/ui/feedback/fieldErrors";
import { expiryOf } from "./expiry";
import classes from "./Settings.module.css";
import { SCOPE_TEXTS, strings } from "./strings";

const SCOPES = Object.keys(SCOPE_TEXTS) as Scope[];
/** Enough to start runs and to read their results. */
const DEFAULT_SCOPES: readonly Scope[] = ["pipelines:read", "pipelines:execute"];
const EXPIRY = [
  { value: "never", label: strings.never },
  { value: "30", label: "In 30 days" },
  { value: "90", label: "In 90 days" },
  { value: "365", label: "In a year" },
];

type Props = {
  /** Whether the key belongs to the workspace and not to the person. */
  isService?: boolean;
  onClose: () => void;
  onCreated: (key: CreatedApiKey) => void;
};

export default function CreateKey(props: Props) {
  const title = props.isService ? strings.createServiceKey : strings.createKey;
  return (
    <Modal opened onClose={props.onClose} title={title} centered>
      <Form {...props} />
    </Modal>
  );
}

function Form({ isService = false, onClose, onCreated }: Props) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly Scope[]>(DEFAULT_SCOPES);
  const [days, setDays] = useState("never");
  const personal = useCreateKey();
  const service = useCreateServiceKey();
  const create = isService ? service : personal;
  const errors = fieldErrors(create.error);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const expiresAt = expiryOf(days, Date.now());
    create.mutate(
      { name, scopes: [...scopes], expires_at: expiresAt },
      { onSuccess: (key) => onCreated(key) },
    );
  };
  return (
    <form onSubmit={submit} className={classes.form} noValidate>
      <FormError error={create.error} fields={["name", "scopes", "expires_at"]} />
      <Text size="sm">{isService ? strings.serviceKeyText : strings.personalKeyText}</Text>
      <TextInput
        label={strings.keyName}
        description={strings.keyNameHint}
        data-autofocus
        value={name}
        error={errors.name}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <Checkbox.Group
        label={strings.scopes}
        value={[...scopes]}
        error={errors.scopes}
        onChange={(values) => setScopes(values as Scope[])}
      >
        <div className={classes.scopes}>
          {SCOPES.map((scope) => (
            <Checkbox key={scope} value={scope} label={SCOPE_TEXTS[scope]} description={scope} />
          ))}
        </div>
      </Checkbox.Group>
      <Select
        label={strings.expires}
        data={EXPIRY}
        value={days}
        allowDeselect={false}
        error={errors.expires_at}
        onChange={(value) => setDays(value ?? "never")}
      />
      <Group justify="flex-end" gap={8}>
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        <Button type="submit" loading={create.isPending}>
          {isService ? strings.createServiceKey : strings.createKey}
        </Button>
      </Group>
    </form>
  );
}
