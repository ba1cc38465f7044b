import { Alert, Button } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { asApiError } from "@/api/errors";
import { type TwoFactorSecret, twoFactorQuery, useBeginTwoFactor } from "@/api/twoFactor";
import { toast } from "@/ui/feedback/toast";
import { RelativeTime } from "@/ui/format/Values";
import settings from "../Settings.module.css";
import { strings } from "./strings";

const TurnOn = lazy(() => import("./TurnOn"));
const RecoveryCodes = lazy(() => import("./RecoveryCodes"));
const Prove = lazy(() => import("./Prove"));

const FEW_CODES = 2;

type Dialog =
  /** Without a secret, the dialog asks for the password first. */
  | { kind: "turn on"; secret: TwoFactorSecret | null }
  | { kind: "turn off" | "new codes" }
  | { kind: "codes"; codes: string[] };

/** The section of the settings that turns two-factor sign-in on and off. */
export default function TwoFactor({ email }: { email: string }) {
  const { data: status } = useSuspenseQuery(twoFactorQuery);
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const begin = useBeginTwoFactor();
  const close = () => setDialog(null);
  const showCodes = (codes: string[]) => setDialog({ kind: "codes", codes });
  const turnOn = () =>
    begin.mutate(null, {
      onSuccess: (secret) => setDialog({ kind: "turn on", secret }),
      onError: (error) =>
        asApiError(error).code === "password_required"
          ? setDialog({ kind: "turn on", secret: null })
          : toast.failure(strings.notBegun, error),
    });
  return (
    <>
      {status.enabled ? (
        <>
          <p className={settings.text}>
            {strings.on} <RelativeTime time={status.enabled_at} />.
            {status.recovery_codes_left > FEW_CODES &&
              ` ${strings.codesLeft(status.recovery_codes_left)}`}
          </p>
          {status.recovery_codes_left <= FEW_CODES && (
            <Alert color="yellow" className={settings.notice}>
              {strings.codesLeft(status.recovery_codes_left)}
            </Alert>
          )}
          <div className={settings.buttons}>
            <Button variant="default" onClick={() => setDialog({ kind: "new codes" })}>
              {strings.newCodes}
            </Button>
            <Button
              variant="default"
              aria-label={`${strings.turnOff} ${strings.title.toLowerCase()}`}
              onClick={() => setDialog({ kind: "turn off" })}
            >
              {strings.turnOff}
            </Button>
          </div>
        </>
      ) : (
        <>
          <p className={settings.text}>{strings.offText}</p>
          <Button
            variant="default"
            loading={begin.isPending}
            aria-label={`${strings.turnOn} ${strings.title.toLowerCase()}`}
            onClick={turnOn}
          >
            {strings.turnOn}
          </Button>
        </>
      )}
      <Suspense fallback={null}>
        {dialog?.kind === "turn on" && (
          <TurnOn email={email} secret={dialog.secret} onClose={close} onTurnedOn={showCodes} />
        )}
        {(dialog?.kind === "turn off" || dialog?.kind === "new codes") && (
          <Prove action={dialog.kind} email={email} onClose={close} onCodes={showCodes} />
        )}
        {dialog?.kind === "codes" && (
          <RecoveryCodes codes={dialog.codes} email={email} onClose={close} />
        )}
      </Suspense>
    </>
  );
}
