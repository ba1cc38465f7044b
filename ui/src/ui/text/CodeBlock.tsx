import classes from "./CodeBlock.module.css";
import { CopyButton } from "./CopyButton";

type Props = {
  code: string;
  /** Heading above the code, and its name for assistive technology. */
  label: string;
  /** Hide the heading, if the page already has one. */
  withoutHeading?: boolean;
};

/** A few lines of code with a button that copies them. For long texts, use TextViewer. */
export function CodeBlock({ code, label, withoutHeading = false }: Props) {
  return (
    <figure className={classes.block} aria-label={label}>
      {!withoutHeading && <figcaption className={classes.label}>{label}</figcaption>}
      <div className={classes.copy}>
        <CopyButton value={code} what={withoutHeading ? label : "code"} />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
      <pre className={classes.code} tabIndex={0}>
        {code}
      </pre>
    </figure>
  );
}
