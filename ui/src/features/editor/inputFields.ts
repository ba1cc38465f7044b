/** The form for a pipeline's input, from its `input.schema`: the short form or a JSON Schema. */

type FieldKind = "text" | "number" | "integer" | "boolean" | "choice" | "json";
export type InputField = {
  name: string;
  kind: FieldKind;
  description: string | null;
  isRequired: boolean;
  /** As the form shows it. */
  initial: string;
  options: string[];
};
export type InputValues = Readonly<Record<string, string>>;
export type InputErrors = Readonly<Record<string, "notJson" | "notNumber" | "needed">>;

type Member = Record<string, unknown>;

const KINDS: Record<string, FieldKind> = {
  string: "text",
  number: "number",
  integer: "integer",
  boolean: "boolean",
  array: "json",
  object: "json",
};

function isObject(value: unknown): value is Member {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Null: the schema cannot be shown as a form, so that the input is written as JSON. */
export function inputFields(document: unknown): InputField[] | null {
  if (!isObject(document)) return [];
  const schema = isObject(document.input) ? document.input.schema : undefined;
  if (schema === undefined || schema === null) return [];
  if (!isObject(schema)) return null;
  const isJsonSchema = typeof schema.type === "string" || isObject(schema.properties);
  const members = isJsonSchema ? schema.properties : schema;
  if (!isObject(members)) return null;
  const required = Array.isArray(schema.required) ? schema.required : [];
  return Object.entries(members).map(([name, member]) =>
    field(name, isObject(member) ? member : { type: member }, required.includes(name)),
  );
}

function field(name: string, member: Member, isRequired: boolean): InputField {
  const options = Array.isArray(member.enum) ? member.enum.map(String) : [];
  const isText =
    Array.isArray(member.enum) && member.enum.every((each) => typeof each === "string");
  const type = typeof member.type === "string" ? member.type : "json";
  const kind = isText ? "choice" : (KINDS[type] ?? "json");
  return {
    name,
    kind,
    description: typeof member.description === "string" ? member.description : null,
    isRequired: isRequired || member.required === true,
    initial: member.default === undefined ? "" : shown(kind, member.default),
    options: isText ? options : [],
  };
}

/** A value as the form shows it. */
function shown(kind: FieldKind, value: unknown): string {
  return kind === "json" || typeof value !== "string" ? JSON.stringify(value) : value;
}

export function valuesOf(fields: readonly InputField[], input: Member): InputValues {
  return Object.fromEntries(
    fields.map(({ name, kind, initial }) => [
      name,
      name in input ? shown(kind, input[name]) : initial,
    ]),
  );
}

/** The input that a form means. Empty fields that are not required are left out. */
export function readInput(
  fields: readonly InputField[],
  values: InputValues,
): { input: Member; errors: InputErrors } {
  const input: Member = {};
  const errors: Record<string, InputErrors[string]> = {};
  for (const { name, kind, isRequired, initial } of fields) {
    const text = values[name] ?? initial;
    if (text === "" && kind !== "text") {
      if (isRequired && kind !== "boolean") errors[name] = "needed";
      else if (isRequired) input[name] = false;
      continue;
    }
    if (kind === "text" || kind === "choice") {
      if (text !== "" || isRequired) input[name] = text;
    } else if (kind === "number" || kind === "integer") {
      const number = Number(text);
      if (Number.isNaN(number)) errors[name] = "notNumber";
      else input[name] = number;
    } else {
      try {
        input[name] = JSON.parse(text);
      } catch {
        errors[name] = "notJson";
      }
    }
  }
  return { input, errors };
}
