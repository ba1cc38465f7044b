import { fieldsOf, isObject, itemsOf, resolved, type Schema } from "./schema";
import { strings } from "./strings";

/** What is wrong at a place of a value: the names and indexes that lead to it, joined by "/". */
export type Issue = { path: string; text: string; isMissing: boolean };

const texts = strings.issues;

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  integer: (value) => Number.isInteger(value),
  boolean: (value) => typeof value === "boolean",
  array: Array.isArray,
  object: isObject,
};

export function pathIn(path: string, name: string | number): string {
  return path === "" ? String(name) : `${path}/${name}`;
}

export type Checked = { value: unknown; issues: readonly Issue[] };

/** Check a text that must be JSON for a schema. The server checks everything; this answers while a person types. */
export function checkedText(text: string, schema: Schema | null): Checked {
  try {
    const value: unknown = JSON.parse(text);
    return { value, issues: schema === null ? [] : issuesOf(value, schema, schema) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const issue = { path: "", text: texts.notJson(reason), isMissing: false };
    return { value: undefined, issues: [issue] };
  }
}

export function issuesOf(value: unknown, given: unknown, root: Schema, path = ""): Issue[] {
  const { schema, isNullable } = resolved(given, root);
  if (value === null && isNullable) return [];
  if (value instanceof Unread) return [{ path, text: value.reason, isMissing: false }];
  const wrong = wrongType(value, schema.type);
  if (wrong !== null) return [{ path, text: wrong, isMissing: false }];
  const text = problemOf(value, schema);
  const found: Issue[] = text === null ? [] : [{ path, text, isMissing: false }];
  if (isObject(value)) found.push(...membersIssues(value, schema, root, path));
  const items = itemsOf(schema);
  if (Array.isArray(value) && items !== null) {
    value.forEach((each, index) => {
      found.push(...issuesOf(each, items, root, pathIn(path, index)));
    });
  }
  return found;
}

function membersIssues(
  value: Record<string, unknown>,
  schema: Schema,
  root: Schema,
  path: string,
): Issue[] {
  return (fieldsOf(schema, root) ?? []).flatMap((field) => {
    const at = pathIn(path, field.name);
    const each = value[field.name];
    // The server counts null as absent for optional fields of an input.
    const isAbsent = each === undefined || (each === null && !field.isRequired && path === "");
    if (!isAbsent) {
      return issuesOf(each, (schema.properties as Schema)[field.name], root, at);
    }
    const isMissing = field.isRequired && field.schema.default === undefined;
    return isMissing ? [{ path: at, text: texts.needed, isMissing }] : [];
  });
}

function wrongType(value: unknown, type: unknown): string | null {
  const types = (Array.isArray(type) ? type : [type]).filter((each) => Object.hasOwn(TYPES, each));
  if (types.length === 0 || types.some((each) => TYPES[each]?.(value))) return null;
  return texts.type(String(types[0]));
}

function problemOf(value: unknown, schema: Schema): string | null {
  const { enum: options, minimum, maximum, minItems, maxItems } = schema;
  if (Array.isArray(options)) {
    const isOne = options.some((each) => JSON.stringify(each) === JSON.stringify(value));
    return isOne ? null : texts.choices(options.map(String).join(", "));
  }
  if (typeof value === "number") {
    if (typeof minimum === "number" && value < minimum) return texts.atLeast(minimum);
    if (typeof maximum === "number" && value > maximum) return texts.atMost(maximum);
  }
  if (typeof value === "string") return textProblem(value, schema);
  if (Array.isArray(value)) {
    if (typeof minItems === "number" && value.length < minItems) return texts.moreItems(minItems);
    if (typeof maxItems === "number" && value.length > maxItems) return texts.fewerItems(maxItems);
  }
  return null;
}

function textProblem(value: string, { minLength, maxLength, pattern }: Schema): string | null {
  const { length } = [...value];
  if (typeof minLength === "number" && length < minLength) return texts.longer(minLength);
  if (typeof maxLength === "number" && length > maxLength) return texts.shorter(maxLength);
  if (typeof pattern !== "string") return null;
  try {
    return new RegExp(pattern, "u").test(value) ? null : texts.pattern(pattern);
  } catch {
    // Some patterns of the server are none of the browser.
    return null;
  }
}

/** What a person has typed where a number or JSON belongs, as long as it is neither. */
export class Unread {
  constructor(
    readonly text: string,
    readonly reason: string,
  ) {}
}

/** The value as JSON. What could not be read is in it as it was typed, so that the whole is no JSON and cannot be sent. */
export function textOf(value: unknown): string {
  const unread: string[] = [];
  const mark = "\u0000unread";
  const write = (_: string, each: unknown) =>
    each instanceof Unread ? `${mark}${unread.push(each.text) - 1}` : each;
  // Nothing is no JSON.
  const text = value === undefined ? "" : JSON.stringify(value, write, 2);
  if (unread.length === 0) return text;
  return text.replace(/"\\u0000unread(\d+)"/g, (_, index) => unread[Number(index)] ?? "");
}
