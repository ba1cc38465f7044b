import { type Schema, schemasAt, valueAt } from "./jsonSchema";

type Path = readonly (string | number)[];

/** The innermost step that contains a path: its path, id and type. */
export type StepPlace = { path: Path; id: string | null; type: string };

const LISTS = new Set(["steps", "branches"]);

function stepAt(document: unknown, path: Path): StepPlace | null {
  for (let length = path.length; length >= 2; length--) {
    const [list, index] = path.slice(length - 2, length);
    const isInList = typeof index === "number" && LISTS.has(String(list));
    const own = isInList
      ? path.slice(0, length)
      : path[length - 1] === "step"
        ? path.slice(0, length)
        : null;
    if (own === null) continue;
    const value = valueAt(document, own);
    const { id, type } = (value ?? {}) as { id?: unknown; type?: unknown };
    if (list === "branches" && id === undefined) continue;
    return {
      path: own,
      id: typeof id === "string" ? id : null,
      type: typeof type === "string" ? type : "llm",
    };
  }
  return null;
}

export type FieldDoc = { name: string; description: string; isRequired: boolean };

/** What the schema says about a step, or about the part of the pipeline that contains the path. */
export function docsAt(root: Schema, document: unknown, path: Path) {
  const step = stepAt(document, path);
  const owner = step?.path ?? path.slice(0, 1);
  const schemas = schemasAt(root, document, owner);
  const required = new Set(schemas.flatMap((schema) => schema.required ?? []));
  const described = step === null ? schemas : schemas.filter(({ title }) => title === step.type);
  const fields = new Map<string, FieldDoc>();
  for (const schema of schemas) {
    for (const name of Object.keys(schema.properties ?? {})) {
      const inner = schemasAt(root, document, [...owner, name]);
      const text = inner.find((each) => each.markdownDescription ?? each.description);
      if (inner.some((each) => each.doNotSuggest) || text === undefined) continue;
      const description = text.markdownDescription ?? text.description ?? "";
      fields.set(name, { name, description, isRequired: required.has(name) });
    }
  }
  const first = [...described, ...schemas].find(
    (each) => each.markdownDescription ?? each.description,
  );
  return {
    step,
    title: step?.type ?? (owner[0] === undefined ? null : String(owner[0])),
    description: first?.markdownDescription ?? first?.description ?? null,
    fields: [...fields.values()],
  };
}

/** The ids of the steps that a run can start with: those that are not inside a `parallel`. */
export function stepIds(document: unknown): string[] {
  const steps = valueAt(document, ["steps"]);
  if (!Array.isArray(steps)) return [];
  return steps.flatMap((step) => {
    const id: unknown = valueAt(step, ["id"]);
    return typeof id === "string" ? [id] : [];
  });
}
