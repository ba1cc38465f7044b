import { Anchor } from "@mantine/core";
import type { ApiError } from "@/api/errors";
import { Message } from "../text/Message";
import classes from "./States.module.css";

type Props = {
  error: Pick<ApiError, "code" | "docsUrl" | "message">;
  /** A text in place of the message of the error. */
  text?: string;
};

/** Why something failed: a sentence, then the code as a small tag that leads to its explanation. */
export function ErrorText({ error, text }: Props) {
  return (
    <>
      <Message text={text ?? error.message} /> <ErrorCode code={error.code} href={error.docsUrl} />
    </>
  );
}

/** The code of an error as a small tag. `href` is its explanation. */
export function ErrorCode({ code, href }: { code: string; href: string | null }) {
  if (href === null) return <code className={classes.code}>{code}</code>;
  return (
    <Anchor href={href} target="_blank" className={classes.code}>
      {code}
    </Anchor>
  );
}
