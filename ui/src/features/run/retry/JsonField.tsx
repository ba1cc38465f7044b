import { Textarea } from "@mantine/core";
import classes from "./RetryDialog.module.css";

type Props = {
  label: string;
  text: string;
  issues: readonly string[];
  isReadOnly?: boolean;
  onChange: (text: string) => void;
};

/** A field for JSON with its problems below. */
export function JsonField({ label, text, issues, isReadOnly = false, onChange }: Props) {
  return (
    <Textarea
      className={classes.json}
      label={label}
      value={text}
      rows={Math.min(12, Math.max(3, text.split("\n", 12).length))}
      spellCheck={false}
      readOnly={isReadOnly}
      error={issues.length > 0 ? issues.join(" ") : undefined}
      onChange={(event) => onChange(event.currentTarget.value)}
      resize="vertical"
    />
  );
}
