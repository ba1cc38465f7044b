import { Button, SegmentedControl, Textarea } from "@mantine/core";
import { useState } from "react";
import { keepsNumbers } from "@/api/jsonText";
import { SchemaForm } from "@/features/forms/SchemaForm";
import { changedLines } from "@/features/run/inspector/changedLines";
import { ValueView } from "@/features/run/inspector/ValueView";
import { TextViewer } from "@/ui/text/TextViewer";
import { type Data, type Draft, fieldText, isEdited, isPlainText } from "./draft";
import classes from "./Reviews.module.css";
import { strings } from "./strings";

type Props = { review: Data; draft: Draft; onDraft: (draft: Draft) => void };
const [MIN_ROWS, MAX_ROWS, CHARACTERS_PER_ROW] = [4, 20, 80];

type Mode = "view" | "edit" | "changes";

/** The data that a person decides about. If the step permits it, they can edit it and see what they have changed. */
export function UnderReview({ review, draft, onDraft }: Props) {
  const [mode, setMode] = useState<Mode>(review.editable ? "edit" : "view");
  if (review.input === null && !review.editable) return null;
  return (
    <section className={classes.section} aria-label={strings.data}>
      <div className={classes.sectionHead}>
        <span className={classes.heading}>{strings.data}</span>
        {review.editable && (
          <SegmentedControl
            size="xs"
            aria-label={strings.dataView}
            value={mode}
            onChange={(next) => setMode(next as Mode)}
            data={(["view", "edit", "changes"] as const).map((value) => ({
              value,
              label: strings[value],
            }))}
          />
        )}
      </div>
      {mode === "view" && <ReadOnly review={review} />}
      {mode === "edit" && <Editor review={review} draft={draft} onDraft={onDraft} />}
      {mode === "changes" && <Changes review={review} draft={draft} />}
      {isEdited(review, draft) && (
        <Button
          className={classes.start}
          variant="subtle"
          size="compact-sm"
          onClick={() => onDraft({ ...draft, text: null })}
        >
          {strings.undo}
        </Button>
      )}
    </section>
  );
}

function ReadOnly({ review }: { review: Data }) {
  if (typeof review.input === "string" || keepsNumbers(review.input_text)) {
    return <ValueView value={review.input} label={strings.data} />;
  }
  return <TextViewer text={review.input_text} label={strings.data} />;
}

function Editor({ review, draft, onDraft }: Props) {
  if (!isPlainText(review)) {
    return (
      <SchemaForm
        label={strings.data}
        description={strings.editJson}
        text={draft.text ?? fieldText(review)}
        schema={review.input_schema}
        isChecked
        hasHeading
        onChange={(text) => onDraft({ ...draft, text })}
      />
    );
  }
  return (
    <Textarea
      aria-label={strings.data}
      description={strings.editText}
      inputWrapperOrder={["input", "description", "error"]}
      classNames={{ input: classes.text }}
      rows={rowsOf(draft.text ?? fieldText(review))}
      resize="vertical"
      spellCheck
      dir="auto"
      value={draft.text ?? fieldText(review)}
      onChange={(event) => onDraft({ ...draft, text: event.currentTarget.value })}
    />
  );
}

/** The text fits without scrolling, unless it is long. */
function rowsOf(text: string): number {
  const lines = text.split("\n", MAX_ROWS).length + Math.floor(text.length / CHARACTERS_PER_ROW);
  return Math.min(Math.max(lines + 1, MIN_ROWS), MAX_ROWS);
}

function Changes({ review, draft }: Pick<Props, "review" | "draft">) {
  const lines = changedLines(fieldText(review), draft.text ?? fieldText(review));
  if (lines === null) return <p className={classes.dimmed}>{strings.unchanged}</p>;
  return <TextViewer text={lines} label={strings.changes} />;
}
