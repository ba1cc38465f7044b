import { lazy, Suspense } from "react";
import classes from "./SafeMarkdown.module.css";
import { TextViewer } from "./TextViewer";
import { visible } from "./visible";

const MarkdownRenderer = lazy(() => import("./MarkdownRenderer"));

/** Longer texts are shown as they are, because to parse them would hold up the page. */
const MAX_CHARACTERS = 200_000;

/**
 * Markdown from a model or another untrusted source.
 *
 * HTML is shown as text, images are links, and links show their host. While the text still streams, use plain text
 * instead: to parse it again for each piece is slow.
 */
export function SafeMarkdown({ text, label }: { text: string; label: string }) {
  if (text.length > MAX_CHARACTERS) return <TextViewer text={text} label={label} />;
  return (
    <div className={classes.markdown} dir="auto">
      <Suspense fallback={<div className={classes.plain}>{visible(text)}</div>}>
        <MarkdownRenderer text={visible(text)} />
      </Suspense>
    </div>
  );
}
