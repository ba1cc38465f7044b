/** What a JSON Schema says about a place of a document. It knows the keywords that the language's schema uses. */

export type Schema = {
  title?: string;
  description?: string;
  markdownDescription?: string;
  type?: string | string[];
  enum?: unknown[];
  enumDescriptions?: string[];
  default?: unknown;
  examples?: unknown[];
  required?: string[];
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  not?: Schema;
  if?: Schema;
  then?: Schema;
  else?: Schema;
  $ref?: string;
  $defs?: Record<string, Schema>;
  defaultSnippets?: { label: string; description?: string; body: unknown }[];
  doNotSuggest?: boolean;
};

const MAX_DEPTH = 20;

/** The schemas that apply to a value, without references and conditions. */
export function applicable(root: Schema, schema: Schema, value: unknown, depth = 0): Schema[] {
  if (depth > MAX_DEPTH) return [];
  const more = (each: Schema | undefined) =>
    each === undefined ? [] : applicable(root, each, value, depth + 1);
  const target = schema.$ref?.replace(/^#\/\$defs\//, "");
  return [
    schema,
    ...more(target === undefined ? undefined : root.$defs?.[target]),
    ...[...(schema.allOf ?? []), ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap(more),
    ...(schema.if ? more(matches(root, schema.if, value) ? schema.then : schema.else) : []),
  ];
}

/** The schemas of a path. The value of the document decides which conditions apply. */
export function schemasAt(root: Schema, document: unknown, path: readonly (string | number)[]) {
  let found = applicable(root, root, document);
  let value = document;
  for (const part of path) {
    value = memberOf(value, part);
    const inner = value;
    found = found.flatMap((schema) =>
      childrenOf(schema, part).flatMap((child) => applicable(root, child, inner)),
    );
  }
  return found;
}

export function valueAt(document: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce(memberOf, document);
}

function memberOf(value: unknown, part: string | number): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Record<string | number, unknown>)[part];
}

function childrenOf(schema: Schema, part: string | number): Schema[] {
  if (typeof part === "number") return schema.items ? [schema.items] : [];
  const own = schema.properties?.[part];
  if (own !== undefined) return [own];
  const patterns = Object.entries(schema.patternProperties ?? {})
    .filter(([pattern]) => new RegExp(pattern).test(part))
    .map(([, each]) => each);
  if (patterns.length > 0) return patterns;
  return typeof schema.additionalProperties === "object" ? [schema.additionalProperties] : [];
}

const TYPES: Record<string, (value: unknown) => boolean> = {
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  integer: Number.isInteger,
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
};

/** Whether a value matches a condition of the schema. */
function matches(root: Schema, schema: Schema, value: unknown, depth = 0): boolean {
  if (depth > MAX_DEPTH) return false;
  const also = (each: Schema) => matches(root, each, value, depth + 1);
  const target = schema.$ref?.replace(/^#\/\$defs\//, "");
  const referenced = target === undefined ? undefined : root.$defs?.[target];
  if (referenced && !also(referenced)) return false;
  if (schema.type !== undefined && ![schema.type].flat().some((type) => TYPES[type]?.(value))) {
    return false;
  }
  if (schema.enum && !schema.enum.includes(value)) return false;
  if (schema.allOf && !schema.allOf.every(also)) return false;
  if (schema.anyOf && !schema.anyOf.some(also)) return false;
  if (schema.not && also(schema.not)) return false;
  if (!TYPES.object?.(value)) return true;
  const members = value as Record<string, unknown>;
  if (schema.required?.some((name) => !(name in members))) return false;
  return Object.entries(schema.properties ?? {}).every(
    ([name, each]) => !(name in members) || matches(root, each, members[name], depth + 1),
  );
}

/** The properties that a mapping can have. */
export function propertiesOf(schemas: readonly Schema[]): Map<string, Schema> {
  const found = new Map<string, Schema>();
  for (const { properties } of schemas) {
    for (const [name, schema] of Object.entries(properties ?? {})) {
      const known = found.get(name);
      if (!schema.doNotSuggest)
        found.set(name, known === undefined ? schema : { ...known, ...schema });
    }
  }
  return found;
}

/** The first text about a place, as Markdown. */
export function descriptionOf(schemas: readonly Schema[]): string | null {
  for (const { markdownDescription, description } of schemas) {
    if (markdownDescription ?? description) return markdownDescription ?? description ?? null;
  }
  return null;
}
