import { Checkbox, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import type { FieldProps } from "./FieldGroup";
import { ListField } from "./ListField";
import { ObjectField } from "./ObjectField";
import { localTime, readJson, readNumber, shownText } from "./reading";
import type { Field } from "./schema";
import { strings } from "./strings";

/** One field of a form, whatever is in it. */
export function FieldInput(props: FieldProps) {
  switch (props.field.kind) {
    case "object":
      return <ObjectField {...props} Input={FieldInput} />;
    case "list":
      return <ListField {...props} Input={FieldInput} />;
    case "boolean":
      return <Switch {...props} />;
    case "choice":
      return <Choice {...props} />;
    case "number":
      return <Typed {...props} read={readNumber} inputMode="decimal" />;
    case "json":
      return <Typed {...props} read={readAsJson(props)} className="mono" />;
    case "date":
    case "date-time":
      return <Time {...props} />;
    case "text":
      return <Text {...props} />;
  }
}

function readAsJson({ field }: FieldProps) {
  return (text: string) => readJson(text, field.schema.type);
}

function shared({ field, path, issues }: FieldProps) {
  return {
    label: field.label,
    description: field.description,
    withAsterisk: field.isRequired,
    error: issues.find((issue) => issue.path === path)?.text,
  };
}

/** What an empty field means: nothing, or null if there must be something. */
function empty({ isRequired, isNullable }: Field): null | undefined {
  return isRequired && isNullable ? null : undefined;
}

function Switch(props: FieldProps) {
  const { field, value, onChange } = props;
  return (
    <Checkbox
      label={field.label}
      description={field.description}
      error={shared(props).error}
      checked={value === true}
      onChange={(event) => onChange(event.currentTarget.checked)}
    />
  );
}

function Choice(props: FieldProps) {
  const { field, value, onChange } = props;
  const options = (field.schema.enum as unknown[]).map((each) => ({
    value: JSON.stringify(each),
    label: String(each),
  }));
  const current = value === undefined || value === null ? "" : JSON.stringify(value);
  const isKnown = current === "" || options.some((each) => each.value === current);
  return (
    <NativeSelect
      {...shared(props)}
      data={[
        { value: "", label: strings.noChoice },
        ...(isKnown ? [] : [{ value: current, label: shownText(value) }]),
        ...options,
      ]}
      value={current}
      onChange={({ currentTarget: { value: next } }) =>
        onChange(next === "" ? empty(field) : JSON.parse(next))
      }
    />
  );
}

function Text(props: FieldProps) {
  const { field, value, onChange } = props;
  return (
    <Textarea
      {...shared(props)}
      dir="auto"
      autosize
      minRows={1}
      maxRows={12}
      value={shownText(value)}
      onChange={({ currentTarget: { value: next } }) => onChange(next === "" ? empty(field) : next)}
    />
  );
}

type TypedProps = FieldProps & {
  read: (text: string) => unknown;
  inputMode?: "decimal";
  className?: string;
};

/** A value that is read from its text. The text stays as it was typed, such as "1." on the way to "1.5". */
function Typed(props: TypedProps) {
  const { field, value, onChange, read, inputMode, className } = props;
  const [typed, setTyped] = useState<{ text: string; value: unknown } | null>(null);
  const text = typed !== null && typed.value === value ? typed.text : shownText(value);
  const input = {
    ...shared(props),
    inputMode,
    classNames: { input: className },
    value: text,
    onChange: ({ currentTarget }: { currentTarget: { value: string } }) => {
      const next = currentTarget.value;
      const meant = next.trim() === "" ? empty(field) : read(next);
      setTyped({ text: next, value: meant });
      onChange(meant);
    },
  };
  if (field.kind === "number") return <TextInput {...input} />;
  return <Textarea {...input} autosize minRows={2} maxRows={12} spellCheck={false} />;
}

function Time(props: FieldProps) {
  const { field, value, onChange } = props;
  const isDay = field.kind === "date";
  const shown = isDay ? shownText(value) : localTime(value);
  // What the browser's field cannot show stays a text, so that nothing is lost.
  if (shown === null || (isDay && !/^(\d{4}-\d\d-\d\d)?$/.test(shown))) return <Text {...props} />;
  return (
    <TextInput
      {...shared(props)}
      type={isDay ? "date" : "datetime-local"}
      step={isDay ? undefined : 1}
      value={shown}
      onChange={({ currentTarget: { value: next } }) => {
        if (next === "") onChange(empty(field));
        else onChange(isDay ? next : new Date(next).toISOString());
      }}
    />
  );
}
