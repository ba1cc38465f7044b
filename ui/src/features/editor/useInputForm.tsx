import { JsonInput } from "@mantine/core";
import { useState } from "react";
import { InputForm } from "./InputForm";
import { type InputErrors, inputFields, readInput, valuesOf } from "./inputFields";
import classes from "./Panels.module.css";
import { strings } from "./strings";

type Input = Record<string, unknown>;

/** The form for the input of a document, and what it means. `given` is shown at first. */
export function useInputForm(document: unknown, given: Input | null | undefined) {
  const [typed, setTyped] = useState<Record<string, string>>({});
  const [json, setJson] = useState<string | null>(null);
  const [errors, setErrors] = useState<InputErrors>({});
  const [jsonError, setJsonError] = useState<string | null>(null);
  const fields = inputFields(document);
  const initial = given ?? {};

  /** The input, or null after errors, which the form then shows. */
  const read = (): Input | null => {
    if (fields !== null) {
      const result = readInput(fields, { ...valuesOf(fields, initial), ...typed });
      setErrors(result.errors);
      return Object.keys(result.errors).length > 0 ? null : result.input;
    }
    try {
      const value: unknown = JSON.parse(json ?? JSON.stringify(initial));
      const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
      setJsonError(isObject ? null : strings.notObject);
      return isObject ? (value as Input) : null;
    } catch {
      setJsonError(strings.notJson);
      return null;
    }
  };
  const form =
    fields === null ? (
      <JsonInput
        label={strings.inputJson}
        classNames={{ input: "mono" }}
        autosize
        minRows={4}
        value={json ?? JSON.stringify(initial, null, 2)}
        error={jsonError}
        onChange={setJson}
      />
    ) : fields.length === 0 ? (
      <p className={classes.hint}>{strings.noInput}</p>
    ) : (
      <InputForm
        fields={fields}
        values={{ ...valuesOf(fields, initial), ...typed }}
        errors={errors}
        onChange={(name, value) => setTyped((current) => ({ ...current, [name]: value }))}
      />
    );
  return { form, read };
}

/** The input of the newest run, so that a person need not write it again. */
export function lastInput(runs: readonly { input_data: unknown }[] | undefined) {
  const input = runs?.[0]?.input_data;
  return typeof input === "object" && input !== null ? (input as Input) : null;
}
