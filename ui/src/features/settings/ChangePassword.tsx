import { Button, PasswordInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useChangePassword } from "@/api/account";
import { FormError } from "@/ui/feedback/FormError";
import { fieldErrors } from "@/ui/feedback/fieldErrors";
import { toast } from "@/ui/feedback/toast";
import classes from "./Settings.module.css";
import { strings } from "./strings";

const EMPTY = { current_password: "", new_password: "" };

export function ChangePassword({ email }: { email: string }) {
  const [values, setValues] = useState(EMPTY);
  const change = useChangePassword();
  const errors = fieldErrors(change.error);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate(values, {
      onSuccess: () => {
        setValues(EMPTY);
        toast.success(strings.passwordChanged);
      },
    });
  };
  return (
    <form onSubmit={submit} className={`${classes.form} ${classes.narrow}`} noValidate>
      <FormError error={change.error} fields={Object.keys(EMPTY)} />
      {/* Password managers need the name of the account. */}
      <input type="hidden" name="username" autoComplete="username" value={email} readOnly />
      <PasswordInput
        label={strings.currentPassword}
        autoComplete="current-password"
        value={values.current_password}
        error={errors.current_password}
        onChange={(event) => setValues({ ...values, current_password: event.currentTarget.value })}
      />
      <PasswordInput
        label={strings.newPassword}
        description={strings.newPasswordHint}
        autoComplete="new-password"
        value={values.new_password}
        error={errors.new_password}
        onChange={(event) => setValues({ ...values, new_password: event.currentTarget.value })}
      />
      <div>
        <Button type="submit" variant="default" loading={change.isPending}>
          {strings.changePassword}
        </Button>
      </div>
    </form>
  );
}
