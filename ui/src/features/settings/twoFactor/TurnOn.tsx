import { Button, Group, Modal, PasswordInput, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { type TwoFactorSecret, useBeginTwoFactor, useConfirmTwoFactor } from "@/api/twoFactor";
import { FormError } from "@/ui/feedback/FormError";
import { fieldErrors } from "@/ui/feedback/fieldErrors";
import { CopyButton } from "@/ui/text/CopyButton";
import settings from "../Settings.module.css";
import { QrCode } from "./QrCode";
import { strings } from "./strings";
import classes from "./TwoFactor.module.css";

type Props = {
  email: string;
  /** Without one, the dialog asks for the password first. */
  secret: TwoFactorSecret | null;
  onClose: () => void;
  onTurnedOn: (recoveryCodes: string[]) => void;
};

/** Shows the secret for the app, and asks for a code of it. A click beside the dialog does not close it. */
export default function TurnOn({ email, secret: first, onClose, onTurnedOn }: Props) {
  const [secret, setSecret] = useState(first);
  return (
    <Modal opened onClose={onClose} title={strings.title} centered closeOnClickOutside={false}>
      {secret === null ? (
        <AskPassword email={email} onClose={onClose} onSecret={setSecret} />
      ) : (
        <Confirm secret={secret} onClose={onClose} onTurnedOn={onTurnedOn} />
      )}
    </Modal>
  );
}

function AskPassword({
  email,
  onClose,
  onSecret,
}: {
  email: string;
  onClose: () => void;
  onSecret: (secret: TwoFactorSecret) => void;
}) {
  const [password, setPassword] = useState("");
  const begin = useBeginTwoFactor();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    begin.mutate(password, { onSuccess: onSecret });
  };
  return (
    <form onSubmit={submit} className={settings.form} noValidate>
      <Text size="sm">{strings.passwordText}</Text>
      <FormError error={begin.error} fields={["password"]} />
      {/* Password managers need the name of the account. */}
      <input type="hidden" name="username" autoComplete="username" value={email} readOnly />
      <PasswordInput
        label={strings.password}
        autoComplete="current-password"
        data-autofocus
        value={password}
        error={fieldErrors(begin.error).password}
        onChange={(event) => setPassword(event.currentTarget.value)}
      />
      <Buttons action={strings.continue} isPending={begin.isPending} onClose={onClose} />
    </form>
  );
}

function Confirm({
  secret,
  onClose,
  onTurnedOn,
}: {
  secret: TwoFactorSecret;
  onClose: () => void;
  onTurnedOn: (recoveryCodes: string[]) => void;
}) {
  const [code, setCode] = useState("");
  const confirm = useConfirmTwoFactor();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    confirm.mutate(code, { onSuccess: (made) => onTurnedOn(made.recovery_codes) });
  };
  const groups = secret.secret.match(/.{1,4}/g) ?? [];
  return (
    <form onSubmit={submit} className={settings.form} noValidate>
      <Text size="sm">{strings.scanText}</Text>
      <QrCode text={secret.otpauth_uri} label={strings.qrCode} />
      <div>
        <Text size="sm" c="dimmed">
          {strings.cannotScan}
        </Text>
        <div className={classes.secret}>
          <code>{groups.join(" ")}</code>
          <CopyButton value={secret.secret} what="key" />
        </div>
      </div>
      <FormError error={confirm.error} fields={["code"]} />
      <TextInput
        label={strings.code}
        description={strings.codeHint}
        inputMode="numeric"
        autoComplete="one-time-code"
        data-autofocus
        value={code}
        error={fieldErrors(confirm.error).code}
        onChange={(event) => setCode(event.currentTarget.value)}
      />
      <Buttons action={strings.turnOn} isPending={confirm.isPending} onClose={onClose} />
    </form>
  );
}

function Buttons({
  action,
  isPending,
  onClose,
}: {
  action: string;
  isPending: boolean;
  onClose: () => void;
}) {
  return (
    <Group justify="flex-end" gap={8}>
      <Button variant="default" onClick={onClose}>
        {strings.cancel}
      </Button>
      <Button type="submit" loading={isPending}>
        {action}
      </Button>
    </Group>
  );
}
