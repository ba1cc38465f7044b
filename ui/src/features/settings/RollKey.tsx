import { Button, Group, Modal, Select, Text } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { type ApiKey, type CreatedApiKey, useRollKey } from "@/api/keys";
import { FormError } from "@/ui/feedback/FormError";
import classes from "./Settings.module.css";
import { strings } from "./strings";

const OVERLAPS = [
  { value: "0", label: "No time: it is revoked now" },
  { value: "3600", label: "1 hour" },
  { value: "86400", label: "1 day" },
  { value: "604800", label: "7 days" },
  { value: "2592000", label: "30 days" },
];

type Props = { apiKey: ApiKey; onClose: () => void; onCreated: (key: CreatedApiKey) => void };

export default function RollKey({ apiKey, onClose, onCreated }: Props) {
  const [overlap, setOverlap] = useState("86400");
  const roll = useRollKey();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    roll.mutate({ id: apiKey.id, overlapSeconds: Number(overlap) }, { onSuccess: onCreated });
  };
  return (
    <Modal opened onClose={onClose} title={`Roll the key “${apiKey.name}”`} centered>
      <form onSubmit={submit} className={classes.form} noValidate>
        <FormError error={roll.error} fields={[]} />
        <Text size="sm">{strings.rollText}</Text>
        <Select
          label={strings.rollOverlap}
          data={OVERLAPS}
          value={overlap}
          allowDeselect={false}
          onChange={(value) => setOverlap(value ?? "86400")}
        />
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={roll.isPending}>
            {strings.roll}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
