import { SegmentedControl, Textarea } from "@mantine/core";
import { type ReactNode, useMemo, useState } from "react";
import { keepsNumbers } from "@/api/jsonText";
import { FieldInput } from "./FieldInput";
import classes from "./Forms.module.css";
import { checkedText, type Issue, issuesOf, textOf } from "./issues";
import { fieldOf, hasField, isObject, type Schema, schemaOf, withShape } from "./schema";
import { strings } from "./strings";

const [MIN_ROWS, MAX_ROWS] = [4, 20];

type Props = {
  /** Name of what is edited. */
  label: string;
  /** JSON: the truth, which both tabs change. While something in the form cannot be read, it is not valid. */
  text: string;
  onChange: (text: string) => void;
  /** Null: the form has a field for each part of the value. */
  schema: Schema | null;
  /** Whether required fields that are missing are marked, too. */
  isChecked: boolean;
  description?: ReactNode;
  /** The page shows the label above the form. */
  hasHeading?: boolean;
};

/** JSON as a form, or as a text in the second tab. */
export function SchemaForm(props: Props) {
  const { label, text, onChange, schema, isChecked, description, hasHeading = false } = props;
  const [wantsText, setWantsText] = useState(false);
  const [typed, setTyped] = useState<{ text: string; value: unknown } | null>(null);
  const parsed = useMemo(() => checkedText(text, null), [text]);
  const isTyped = typed?.text === text;
  const value = isTyped ? typed.value : parsed.value;
  const [shape] = useState(() => schemaOf(parsed.value));
  const root = schema === null ? shape : withShape(schema, shape);
  const field = fieldOf(label, root, root, true);
  const isGroup = field.kind === "object" || field.kind === "list";
  const isForm = isGroup || hasField(schema);
  const fits =
    field.kind === "object" ? isObject(value) : field.kind !== "list" || Array.isArray(value);
  const noForm =
    (!isTyped && parsed.issues.length > 0) || !isForm || !fits
      ? strings.notAForm
      : keepsNumbers(text)
        ? null
        : strings.wrongNumbers;
  const isText = wantsText || noForm !== null;
  const issues = isText ? checkedText(text, schema).issues : issuesOf(value, root, root);
  const shown = issues.filter(({ isMissing }) => isChecked || !isMissing);
  const change = (next: unknown) => {
    const written = textOf(next);
    setTyped({ text: written, value: next });
    onChange(written);
  };
  return (
    <div className={classes.form}>
      <div className={classes.head}>
        {/* A single field has the label itself. */}
        <span className={classes.title}>{(isGroup || isText) && !hasHeading && label}</span>
        {isForm && (
          <SegmentedControl
            size="xs"
            aria-label={strings.mode}
            title={noForm ?? undefined}
            value={isText ? "json" : "form"}
            onChange={(next) => setWantsText(next === "json")}
            data={[
              { value: "form", label: strings.form, disabled: noForm !== null },
              { value: "json", label: strings.json },
            ]}
          />
        )}
      </div>
      {isText ? (
        <Textarea
          aria-label={label}
          classNames={{ input: classes.json }}
          rows={rowsOf(text)}
          resize="vertical"
          spellCheck={false}
          value={text}
          error={shown.length > 0 ? shown.map(sentence).join(" ") : undefined}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      ) : (
        <FieldInput
          field={field}
          root={root}
          path=""
          value={value}
          issues={shown}
          onChange={change}
        />
      )}
      {description && <p className={classes.hint}>{description}</p>}
    </div>
  );
}

function rowsOf(text: string): number {
  return Math.min(Math.max(text.split("\n", MAX_ROWS).length + 1, MIN_ROWS), MAX_ROWS);
}

function sentence({ path, text }: Issue): string {
  return path === "" ? text : `${path}: ${text}`;
}
