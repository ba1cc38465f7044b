/** Checks of a JSON text before it is sent. The server checks everything; these answer while a person types. */

export type Parsed = { value: unknown; issues: string[] };

const TYPES: Record<string, (value: unknown) => boolean> = {
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  integer: (value) => Number.isInteger(value),
  boolean: (value) => typeof value === "boolean",
  array: Array.isArray,
  object: isObject,
};

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function parseJson(text: string): Parsed {
  try {
    return { value: JSON.parse(text), issues: [] };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { value: undefined, issues: [`This is not valid JSON: ${reason}.`] };
  }
}

/** An input for the `input.schema` of a definition. */
export function parseInput(text: string, schema: unknown): Parsed {
  const { value, issues } = parseJson(text);
  if (issues.length > 0) return { value, issues };
  if (!isObject(value)) return { value, issues: ["The input must be an object."] };
  if (!isObject(schema)) return { value, issues: [] };
  const found = Object.entries(schema).flatMap(([name, given]) =>
    isObject(given) ? fieldIssues(name, value[name], given) : [],
  );
  return { value, issues: found };
}

function fieldIssues(name: string, value: unknown, schema: Record<string, unknown>): string[] {
  if (value === undefined || value === null) {
    const isMissing = schema.required === true && schema.default === undefined;
    return isMissing ? [`\`${name}\` is required.`] : [];
  }
  const type = String(schema.type ?? "");
  if (!(TYPES[type]?.(value) ?? true)) return [`\`${name}\` must be of type ${type}.`];
  const choices = schema.enum;
  if (Array.isArray(choices) && !choices.includes(value)) {
    return [`\`${name}\` must be one of: ${choices.map(String).join(", ")}.`];
  }
  return [];
}
