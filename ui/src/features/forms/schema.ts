/** JSON Schemas as forms read them: which fields there are, and how each is filled in. */

export type Schema = Readonly<Record<string, unknown>>;
type Kind =
  | "text"
  | "number"
  | "boolean"
  | "choice"
  | "date"
  | "date-time"
  | "list"
  | "object"
  | "json";
export type Field = {
  name: string;
  label: string;
  description: string | null;
  kind: Kind;
  schema: Schema;
  isRequired: boolean;
  isNullable: boolean;
};

const SCALARS: Readonly<Record<string, Kind>> = {
  string: "text",
  number: "number",
  integer: "number",
  boolean: "boolean",
};

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The JSON Schema of the input of a definition, from either form of `input.schema`. Null: any object is valid. */
export function inputSchema(definition: unknown): Schema | null {
  const input = isObject(definition) ? definition.input : undefined;
  const schema = isObject(input) ? input.schema : undefined;
  if (!isObject(schema)) return null;
  if (isLongForm(schema)) return { type: "object", ...schema };
  const members = Object.entries(schema).map(
    ([name, member]) => [name, isObject(member) ? member : { type: member }] as const,
  );
  return {
    type: "object",
    required: members.filter(([, { required }]) => required === true).map(([name]) => name),
    properties: Object.fromEntries(members.map(([name, member]) => [name, longMember(member)])),
  };
}

function longMember({ required: _, min_length, max_length, ...member }: Schema): Schema {
  const of = member.type === "array" ? "Items" : "Length";
  return {
    ...member,
    ...(min_length !== undefined && { [`min${of}`]: min_length }),
    ...(max_length !== undefined && { [`max${of}`]: max_length }),
  };
}

/** The rule of the server: a keyword has a value that a field of the short form cannot have. */
function isLongForm(schema: Schema): boolean {
  const isText = (key: string) => typeof schema[key] === "string";
  const isMap = (key: string) =>
    isObject(schema[key]) &&
    Object.values(schema[key]).every((each) => isObject(each) || typeof each === "boolean");
  return (
    ["$schema", "$id", "$ref", "type"].some(isText) ||
    ["type", "required", "allOf", "anyOf", "oneOf"].some((key) => Array.isArray(schema[key])) ||
    typeof schema.additionalProperties === "boolean" ||
    ["properties", "$defs"].some(isMap)
  );
}

/** The schema of a value of which nothing else is known: it keeps its types and its fields. */
export function schemaOf(value: unknown): Schema {
  if (Array.isArray(value)) {
    const [first, ...others] = value.map(schemaOf);
    const isUniform = others.every((each) => JSON.stringify(each) === JSON.stringify(first));
    return { type: "array", ...(first !== undefined && isUniform && { items: first }) };
  }
  if (isObject(value)) {
    const properties = Object.entries(value).map(([name, each]) => [name, schemaOf(each)]);
    return {
      type: "object",
      required: Object.keys(value),
      properties: Object.fromEntries(properties),
    };
  }
  return value === null ? {} : { type: typeof value };
}

/** A schema that names required fields without describing them gets their types from the value. */
export function withShape(schema: Schema, shape: Schema): Schema {
  const describes = isObject(schema.properties) || !Array.isArray(schema.required);
  return describes ? schema : { ...shape, ...schema };
}

/** The schema behind a reference, and whether null is valid, too. */
export function resolved(schema: unknown, root: Schema): { schema: Schema; isNullable: boolean } {
  let found: Schema = isObject(schema) ? schema : {};
  for (let depth = 0; typeof found.$ref === "string" && depth < 16; depth += 1) {
    const target = found.$ref
      .replace(/^#\/?/, "")
      .split("/")
      .reduce<unknown>(
        (node, part) => (part === "" || !isObject(node) ? node : node[decodeURIComponent(part)]),
        root,
      );
    const { $ref: _, ...beside } = found;
    found = { ...(isObject(target) ? target : {}), ...beside };
  }
  const either = Array.isArray(found.anyOf) ? found.anyOf : [];
  const others = either.filter((each) => !isObject(each) || each.type !== "null");
  if (others.length === 1 && either.length === 2) {
    const { anyOf: _, ...beside } = found;
    return { schema: { ...resolved(others[0], root).schema, ...beside }, isNullable: true };
  }
  if (Array.isArray(found.type)) {
    const types = found.type.filter((each) => each !== "null");
    const isNullable = types.length < found.type.length;
    return { schema: { ...found, type: types.length === 1 ? types[0] : types }, isNullable };
  }
  return { schema: found, isNullable: false };
}

/** The fields of an object. Null: the schema does not name any, so the value is written as JSON. */
export function fieldsOf(given: Schema, root: Schema): Field[] | null {
  const { schema } = resolved(given, root);
  if (!isObject(schema.properties)) return null;
  const required = Array.isArray(schema.required) ? schema.required : [];
  return Object.entries(schema.properties).map(([name, member]) =>
    fieldOf(name, member, root, required.includes(name)),
  );
}

export function fieldOf(name: string, given: unknown, root: Schema, isRequired: boolean): Field {
  const { schema, isNullable } = resolved(given, root);
  const { title, description } = schema;
  return {
    name,
    label: typeof title === "string" ? title : name,
    description: typeof description === "string" ? description : null,
    kind: kindOf(schema, root),
    schema,
    isRequired,
    isNullable,
  };
}

function kindOf(schema: Schema, root: Schema): Kind {
  if (Array.isArray(schema.enum)) return "choice";
  const { type, format } = schema;
  if (type === "string" && (format === "date" || format === "date-time")) return format;
  if (type === "array") return itemsOf(schema) === null ? "json" : "list";
  if (type === "object" || (type === undefined && isObject(schema.properties))) {
    return fieldsOf(schema, root) === null ? "json" : "object";
  }
  return SCALARS[String(type)] ?? "json";
}

/** Whether a form is better than a text for a value with this schema. */
export function hasField(schema: Schema | null): schema is Schema {
  return schema !== null && !["text", "json"].includes(fieldOf("", schema, schema, true).kind);
}

/** The schema of the items of a list. A list whose default contains texts is a list of texts. */
export function itemsOf({ items, default: fallback }: Schema): unknown {
  if (isObject(items)) return items;
  const isOfTexts = Array.isArray(fallback) && fallback.every((each) => typeof each === "string");
  return isOfTexts && fallback.length > 0 ? { type: "string" } : null;
}

/** The values of a form that opens: those of an earlier input that the schema still names, and defaults. */
export function openedInput(schema: Schema | null, earlier: Readonly<Record<string, unknown>>) {
  const fields = schema === null ? null : fieldsOf(schema, schema);
  if (fields === null) return earlier;
  const values = fields
    .map(({ name, schema: { default: fallback } }) => [name, earlier[name] ?? fallback])
    .filter(([, value]) => value !== undefined);
  return Object.fromEntries(values) as Record<string, unknown>;
}
