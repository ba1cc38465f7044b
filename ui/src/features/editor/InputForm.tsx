import { Checkbox, JsonInput, NativeSelect, Textarea, TextInput } from "@mantine/core";
import type { InputErrors, InputField, InputValues } from "./inputFields";
import classes from "./Panels.module.css";
import { strings } from "./strings";

type Props = {
  fields: readonly InputField[];
  values: InputValues;
  errors: InputErrors;
  onChange: (name: string, value: string) => void;
};

/** A form for the input of a run. */
export function InputForm({ fields, values, errors, onChange }: Props) {
  return (
    <div className={classes.form}>
      {fields.map((field) => (
        <Field
          key={field.name}
          field={field}
          value={values[field.name] ?? field.initial}
          error={errors[field.name]}
          onChange={(value) => onChange(field.name, value)}
        />
      ))}
    </div>
  );
}

type FieldProps = {
  field: InputField;
  value: string;
  error: InputErrors[string] | undefined;
  onChange: (value: string) => void;
};

function Field({ field, value, error, onChange }: FieldProps) {
  const { name, kind, description, isRequired, options } = field;
  const shared = {
    label: name,
    description,
    error: error === undefined ? undefined : strings[error],
    withAsterisk: isRequired,
  };
  switch (kind) {
    case "boolean":
      return (
        <Checkbox
          label={name}
          description={description}
          checked={value === "true"}
          onChange={(event) => onChange(String(event.currentTarget.checked))}
        />
      );
    case "choice":
      return (
        <NativeSelect
          {...shared}
          data={["", ...options]}
          value={value}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      );
    case "json":
      return (
        <JsonInput
          {...shared}
          classNames={{ input: "mono" }}
          autosize
          minRows={2}
          maxRows={10}
          value={value}
          onChange={onChange}
        />
      );
    case "number":
    case "integer":
      return (
        <TextInput
          {...shared}
          inputMode="decimal"
          value={value}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      );
    case "text":
      return (
        <Textarea
          {...shared}
          autosize
          minRows={1}
          maxRows={8}
          value={value}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      );
  }
}
