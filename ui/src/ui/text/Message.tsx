import classes from "./Message.module.css";
import { messageParts } from "./messageParts";

/** A text for people whose parts between backquotes are code. */
export function Message({ text }: { text: string }) {
  return messageParts(text).map(({ isCode, text: part }, index) =>
    isCode ? (
      <code key={`${index}${part}`} className={classes.code}>
        {part}
      </code>
    ) : (
      part
    ),
  );
}
