import { SegmentedControl } from "@mantine/core";
import { useState } from "react";
import { JsonTree } from "@/ui/text/JsonTree";
import { SafeMarkdown } from "@/ui/text/SafeMarkdown";
import { TextViewer } from "@/ui/text/TextViewer";
import classes from "./Inspector.module.css";
import { strings } from "./strings";

/** Longer texts open as text, because to render them takes time. */
const MAX_RENDERED = 100_000;

type Props = {
  value: unknown;
  /** Accessible name: "Output". */
  label: string;
  maxHeight?: number;
};

/** An untrusted value: a text as Markdown or plain, anything else as a tree. */
export function ValueView({ value, label, maxHeight }: Props) {
  if (typeof value === "string") {
    return <TextValue text={value} label={label} maxHeight={maxHeight} />;
  }
  return <JsonTree value={value} label={label} maxHeight={maxHeight} />;
}

function TextValue({
  text,
  label,
  maxHeight,
}: {
  text: string;
  label: string;
  maxHeight?: number;
}) {
  const [isRendered, setRendered] = useState(text.length <= MAX_RENDERED);
  return (
    <div className={classes.value}>
      <SegmentedControl
        size="xs"
        aria-label={label}
        className={classes.switch}
        value={isRendered ? "rendered" : "text"}
        onChange={(chosen) => setRendered(chosen === "rendered")}
        data={[
          { value: "rendered", label: strings.rendered },
          { value: "text", label: strings.text },
        ]}
      />
      {isRendered ? (
        <div className={classes.rendered}>
          <SafeMarkdown text={text} label={label} />
        </div>
      ) : (
        <TextViewer text={text} label={label} maxHeight={maxHeight} />
      )}
    </div>
  );
}
