import { Button, Group, Modal, PasswordInput, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useReplaceRecoveryCodes, useTurnOffTwoFactor } from "@/api/twoFactor";
import { FormError } from "@/ui/feedback/FormError";
import { fieldErrors } from "@/ui/feedback/fieldErrors";
import { toast } from "@/ui/feedback/toast";
import settings from "../Settings.module.css";
import { strings } from "./strings";

const TEXTS = {
  "turn off": {
    title: strings.turnOffTitle,
    text: strings.turnOffText,
    action: strings.turnOff,
    color: "red",
  },
  "new codes": {
    title: strings.newCodesTitle,
    text: strings.newCodesText,
    action: strings.newCodes,
    color: undefined,
  },
} as const;

type Props = {
  action: keyof typeof TEXTS;
  email: string;
  onClose: () => void;
  onCodes: (recoveryCodes: string[]) => void;
};

/** Asks for the password and a code, then turns two-factor sign-in off or creates new recovery codes. */
export default function Prove({ action, email, onClose, onCodes }: Props) {
  const [values, setValues] = useState({ password: "", code: "" });
  const turnOff = useTurnOffTwoFactor();
  const replace = useReplaceRecoveryCodes();
  const texts = TEXTS[action];
  const { error, isPending } = action === "turn off" ? turnOff : replace;
  const errors = fieldErrors(error);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (action === "new codes") {
      replace.mutate(values, { onSuccess: (made) => onCodes(made.recovery_codes) });
      return;
    }
    turnOff.mutate(values, {
      onSuccess: () => {
        toast.success(strings.turnedOff);
        onClose();
      },
    });
  };
  return (
    <Modal opened onClose={onClose} title={texts.title} centered>
      <form onSubmit={submit} className={settings.form} noValidate>
        <Text size="sm">{texts.text}</Text>
        <FormError error={error} fields={["password", "code"]} />
        {/* Password managers need the name of the account. */}
        <input type="hidden" name="username" autoComplete="username" value={email} readOnly />
        <PasswordInput
          label={strings.password}
          autoComplete="current-password"
          data-autofocus
          value={values.password}
          error={errors.password}
          onChange={(event) => setValues({ ...values, password: event.currentTarget.value })}
        />
        <TextInput
          label={strings.codeOrRecovery}
          description={strings.codeOrRecoveryHint}
          autoComplete="one-time-code"
          value={values.code}
          error={errors.code}
          onChange={(event) => setValues({ ...values, code: event.currentTarget.value })}
        />
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            {strings.cancel}
          </Button>
          <Button type="submit" color={texts.color} loading={isPending}>
            {texts.action}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
