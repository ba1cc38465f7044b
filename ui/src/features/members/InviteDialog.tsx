import { Button, Group, Modal, NativeSelect, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { type Role, rolesToGive } from "@/api/access";
import { type CreatedInvitation, useInvite } from "@/api/members";
import { useUser } from "@/api/session";
import { ROLE_TEXTS } from "@/features/workspaces/strings";
import { FormError } from "@/ui/feedback/FormError";
import { fieldErrors } from "@/ui/feedback/fieldErrors";
import classes from "./Members.module.css";
import { strings } from "./strings";

type Props = { onClose: () => void; onCreated: (invitation: CreatedInvitation) => void };

export default function InviteDialog({ onClose, onCreated }: Props) {
  const me = useUser();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<Role>("editor");
  const invite = useInvite();
  const errors = fieldErrors(invite.error);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    invite.mutate({ email, role }, { onSuccess: onCreated });
  };
  return (
    <Modal opened onClose={onClose} title={strings.inviteTitle} centered>
      <form onSubmit={submit} className={classes.form} noValidate>
        <FormError error={invite.error} fields={["email", "role"]} />
        <TextInput
          label={strings.email}
          description={strings.emailHint}
          type="email"
          autoComplete="off"
          data-autofocus
          value={email}
          error={errors.email}
          onChange={(event) => setEmail(event.currentTarget.value)}
        />
        <NativeSelect
          label={strings.role}
          description={`${ROLE_TEXTS[role]}.`}
          data={rolesToGive(me.role)}
          value={role}
          error={errors.role}
          onChange={(event) => setRole(event.currentTarget.value as Role)}
        />
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            {strings.cancel}
          </Button>
          <Button type="submit" loading={invite.isPending}>
            {strings.inviteSend}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
