import { Alert, Button, TextInput } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { asApiError } from "@/api/errors";
import { AuthPage } from "@/features/auth/AuthPage";
import { Message } from "@/ui/text/Message";
import classes from "./DevicePage.module.css";
import { shownCode } from "./search";
import { strings } from "./strings";

type Props = {
  /** The code that was refused. */
  code?: string;
  error?: unknown;
  onSubmit: (code: string) => void;
};

/** Asks for the code that the terminal shows. */
export function EnterCode({ code = "", error, onSubmit }: Props) {
  const [text, setText] = useState(code);
  const problem = error ? asApiError(error).message : undefined;
  // The same code would be looked up again without a change of the address.
  const isSame = error !== undefined && shownCode(text) === code;
  return (
    <AuthPage
      title={strings.enterTitle}
      intro={<Message text={strings.enterIntro} />}
      onSubmit={() => text.trim() && !isSame && onSubmit(shownCode(text.trim()))}
    >
      <TextInput
        label={strings.code}
        description={strings.codeHint}
        name="code"
        autoComplete="off"
        autoCapitalize="characters"
        autoCorrect="off"
        spellCheck={false}
        autoFocus
        maxLength={20}
        classNames={{ input: classes.input }}
        value={text}
        error={isSame && problem !== undefined ? <Message text={problem} /> : undefined}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <Button type="submit" fullWidth>
        {strings.continue}
      </Button>
    </AuthPage>
  );
}

/** The time until the login is known. */
export function Loading() {
  return (
    <AuthPage title={strings.title}>
      <Button fullWidth loading aria-label={strings.loading}>
        {strings.allow}
      </Button>
    </AuthPage>
  );
}

type FailedProps = { error: unknown; onRetry: () => void; onAnother: () => void };

/** A login that cannot be decided: it is over, or the server does not answer. */
export function Failed({ error, onRetry, onAnother }: FailedProps) {
  const { code, message, isTransient } = asApiError(error);
  const isDecided = code === "login_decided";
  return (
    <AuthPage title={isDecided ? strings.decidedTitle : strings.failedTitle}>
      <Alert color={isDecided ? "yellow" : "red"} role="alert">
        <Message text={message} />
      </Alert>
      {isTransient && (
        <Button fullWidth onClick={onRetry}>
          {strings.retry}
        </Button>
      )}
      <Button fullWidth variant="default" onClick={onAnother}>
        {strings.anotherCode}
      </Button>
    </AuthPage>
  );
}

/** The result of a decision. */
export function Decided({ title, text }: { title: string; text: string }) {
  return (
    <AuthPage title={title} intro={<span role="status">{text}</span>}>
      <Button
        fullWidth
        variant="default"
        renderRoot={(props) => <Link to="/settings/keys" {...props} />}
      >
        {strings.keys}
      </Button>
    </AuthPage>
  );
}
