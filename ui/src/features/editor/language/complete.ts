import type { Completion, CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import { snippetCompletion } from "@codemirror/autocomplete";
import { parseDocument, stringify } from "yaml";
import { applicable, propertiesOf, type Schema, schemasAt, valueAt } from "./jsonSchema";
import { placeAt } from "./yamlPath";

/** Values that the schema does not have, such as the models of the server. */
export type MoreValues = (key: string) => Promise<Completion[]>;

/** The value of a document, as far as it can be read. */
export function readDocument(text: string): unknown {
  try {
    return parseDocument(text, { strict: false, uniqueKeys: false, logLevel: "silent" }).toJS({
      maxAliasCount: 100,
    });
  } catch {
    return null;
  }
}

export function completionSource(root: Schema, more: MoreValues) {
  return async (context: CompletionContext): Promise<CompletionResult | null> => {
    const { doc } = context.state;
    const line = doc.lineAt(context.pos);
    const lines = doc.toString().split("\n");
    const place = placeAt(lines, line.number - 1, context.pos - line.from);
    if (place === null) return null;
    const from = context.pos - place.typed.length;
    // The unfinished line must not change what the document means.
    lines[line.number - 1] = place.isInValue ? line.text : `${line.text.slice(0, place.indent)}`;
    const document = readDocument(lines.join("\n"));
    if (place.isInValue) {
      const schemas = schemasAt(root, document, [...place.path, place.key ?? ""]);
      const options = [...valueOptions(schemas), ...(await more(place.key ?? ""))];
      return options.length === 0 ? null : { from, options, validFor: /^[^\n]*$/ };
    }
    if (!context.explicit && place.typed === "") return null;
    const schemas = schemasAt(root, document, place.path);
    const present = new Set(Object.keys((valueAt(document, place.path) ?? {}) as object));
    const options = keyOptions(root, schemas, present, place.indent);
    return { from, options, validFor: /^\w*$/ };
  };
}

function valueOptions(schemas: readonly Schema[]): Completion[] {
  const found = new Map<string, Completion>();
  const add = (value: unknown, info?: string) => {
    if (value === null || typeof value === "object") return;
    const label = typeof value === "string" ? stringify(value).trim() : String(value);
    if (!found.has(label)) found.set(label, { label, type: "constant", detail: info });
  };
  for (const schema of schemas) {
    for (const [index, value] of (schema.enum ?? []).entries()) {
      add(value, schema.enumDescriptions?.[index]);
    }
    if ([schema.type].flat().includes("boolean")) for (const value of [true, false]) add(value);
    for (const value of schema.examples ?? []) add(value);
    if (schema.default !== undefined) add(schema.default, "Default");
  }
  return [...found.values()];
}

function keyOptions(
  root: Schema,
  schemas: readonly Schema[],
  present: ReadonlySet<string>,
  indent: number,
): Completion[] {
  const required = new Set(schemas.flatMap((schema) => schema.required ?? []));
  const options: Completion[] = [];
  for (const [name, schema] of propertiesOf(schemas)) {
    if (present.has(name)) continue;
    const known = applicable(root, schema, undefined);
    const type = known.map((each) => each.type).find((each) => each !== undefined);
    const types = [type].flat().filter((each) => each !== "null" && each !== undefined);
    const text = known.find((each) => each.description);
    options.push({
      label: name,
      type: "property",
      detail: types.join(" or "),
      info: text?.description,
      boost: required.has(name) ? 10 : 0,
      apply:
        types[0] === "object" && types.length === 1
          ? `${name}:\n${" ".repeat(indent + 2)}`
          : `${name}: `,
    });
  }
  const snippets = schemas.flatMap((schema) => schema.defaultSnippets ?? []);
  if (present.size === 0) options.push(...snippets.map((each) => snippetOption(each, indent)));
  return options;
}

function snippetOption(
  { label, description, body }: NonNullable<Schema["defaultSnippets"]>[number],
  indent: number,
): Completion {
  const lines = stringify(body, { lineWidth: 0 })
    .trimEnd()
    // A value such as "^${2:60}" is not a text, but what follows the mark.
    .replace(/["']?\^(\$\{\d+:[^}]*\})["']?/g, "$1")
    .replace(/["'](\$\{\d+:[^}]*\})["']/g, "$1")
    .split("\n");
  const template = lines.join(`\n${" ".repeat(indent)}`);
  return snippetCompletion(template, { label, info: description, type: "text", boost: 20 });
}
