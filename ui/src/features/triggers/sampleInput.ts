type Member = Record<string, unknown>;

function isObject(value: unknown): value is Member {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An input that fits the `input.schema` of a definition: the short form, or a JSON Schema. */
export function sampleInput(definition: unknown): Member {
  const input = isObject(definition) && isObject(definition.input) ? definition.input : {};
  const schema = isObject(input.schema) ? input.schema : {};
  const isJsonSchema = typeof schema.type === "string" || isObject(schema.properties);
  return sampleMembers(isJsonSchema ? schema.properties : schema);
}

function sampleMembers(members: unknown): Member {
  if (!isObject(members)) return {};
  const samples = Object.entries(members).map(([name, member]) => [
    name,
    sampleValue(isObject(member) ? member : { type: member }),
  ]);
  return Object.fromEntries(samples) as Member;
}

function sampleValue(member: Member): unknown {
  if (member.default !== undefined) return member.default;
  if (Array.isArray(member.examples) && member.examples.length > 0) return member.examples[0];
  if (Array.isArray(member.enum) && member.enum.length > 0) return member.enum[0];
  switch (member.type) {
    case "number":
    case "integer":
      return typeof member.minimum === "number" ? member.minimum : 1;
    case "boolean":
      return true;
    case "array":
      return isObject(member.items) ? [sampleValue(member.items)] : [];
    case "object":
      return sampleMembers(member.properties);
    default:
      return "text";
  }
}
