import { SegmentedControl } from "@mantine/core";
import classes from "./ConflictView.module.css";
import type { Choice, Hunk } from "./draftMerge";
import { strings } from "./strings";

const texts = strings.conflict;
const CHOICES = [
  { value: "theirs", label: texts.theirs },
  { value: "mine", label: texts.mine },
  { value: "both", label: texts.both },
];

type Props = {
  hunk: Extract<Hunk, { kind: "conflict" }>;
  title: string;
  choice: Choice | undefined;
  onChoose: (choice: Choice) => void;
};

/** One place that both sides changed. */
export function ConflictPlace({ hunk, title, choice, onChoose }: Props) {
  const sides = [
    { label: texts.base, lines: hunk.base },
    { label: texts.theirs, lines: hunk.theirs },
    { label: texts.mine, lines: hunk.mine },
  ];
  return (
    <fieldset className={classes.place}>
      <legend className={classes.legend}>{title}</legend>
      <div className={classes.sides}>
        {sides.map(({ label, lines }) => (
          <figure key={label} className={classes.side} aria-label={label}>
            <figcaption className={classes.label}>{label}</figcaption>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
            <pre className={classes.lines} tabIndex={0}>
              {lines.length === 0 ? (
                <span className="dimmed">{texts.nothing}</span>
              ) : (
                lines.join("\n")
              )}
            </pre>
          </figure>
        ))}
      </div>
      <SegmentedControl
        aria-label={`${texts.use}: ${title}`}
        data={CHOICES}
        // No choice is made for a person.
        value={choice ?? ""}
        onChange={(value) => onChoose(value as Choice)}
      />
    </fieldset>
  );
}
