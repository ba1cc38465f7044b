/** The steps of a definition and the ways between them, read from the parsed document. Unknown parts are left out. */

/** A way out of a step that depends on something. */
type Jump = {
  /** A short mark of the way, which its line also carries: the number of the case, or "else". */
  tag: string;
  /** When the run goes this way. Empty for "else". */
  when: string;
  /** The id of a step of the same sequence, "next" or "end". */
  goto: string;
};

export type Step = {
  /** The path of the step in the document, such as "steps.2". */
  key: string;
  id: string | null;
  name: string;
  type: string;
  model: string | null;
  /** The expression that decides whether the step runs. */
  condition: string | null;
  forEach: string | null;
  jumps: readonly Jump[];
  /** Whether the run can continue with the following step without a jump. */
  hasNext: boolean;
  /** What a `parallel` contains. */
  branches: readonly Branch[];
};

/** A sequence of steps in a `parallel`. One that is a single step has no title. */
export type Branch = { key: string; title: string | null; steps: readonly Step[] };

type Fields = Record<string, unknown>;

/** The steps of a document. Null: it has none, so it is not a pipeline. */
export function stepsOf(document: unknown): readonly Step[] | null {
  const steps = readSteps(fieldsOf(document)?.steps, "steps");
  return steps.length === 0 ? null : steps;
}

function readSteps(list: unknown, path: string): Step[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((item: unknown, index) => readStep(item, `${path}.${index}`) ?? []);
}

function readStep(value: unknown, key: string): Step | null {
  const fields = fieldsOf(value);
  if (fields === null) return null;
  const id = textOf(fields.id);
  const type = textOf(fields.type) ?? "llm";
  const condition = textOf(fields.if);
  return {
    key,
    id,
    name: textOf(fields.name) ?? id ?? type,
    type,
    model: textOf(fields.model),
    condition,
    forEach: type === "parallel" ? textOf(fields.for_each) : null,
    jumps: readJumps(type, fields),
    hasNext: hasNext(type, fields, condition),
    branches: type === "parallel" ? readBranches(fields, key) : [],
  };
}

function readJumps(type: string, fields: Fields): Jump[] {
  const jumps: Jump[] = [];
  const numbered = (list: unknown) => {
    for (const item of Array.isArray(list) ? list : []) {
      const goto = textOf(fieldsOf(item)?.goto);
      const when = textOf(fieldsOf(item)?.if) ?? "";
      if (goto !== null) jumps.push({ tag: String(jumps.length + 1), when, goto });
    }
  };
  if (type === "condition") {
    numbered(fields.cases);
    jumps.push({ tag: "else", when: "", goto: textOf(fields.else) ?? "next" });
  }
  numbered(fields.on_condition);
  for (const [field, tag] of [
    ["on_error", "error"],
    ["on_reject", "rejected"],
  ] as const) {
    const goto = textOf(fieldsOf(fields[field])?.goto);
    if (goto !== null) jumps.push({ tag, when: "", goto });
  }
  return jumps;
}

function hasNext(type: string, fields: Fields, condition: string | null): boolean {
  if (condition !== null || fields.on_error === "continue") return true;
  if (type === "condition") return false;
  const entries = Array.isArray(fields.on_condition) ? fields.on_condition.map(fieldsOf) : [];
  return !entries.some(
    (entry) => textOf(entry?.if) === "true" && entry?.goto && entry.on_limit !== "next",
  );
}

function readBranches(fields: Fields, key: string): Branch[] {
  if (textOf(fields.for_each) !== null) {
    const single = readStep(fields.step, `${key}.step`);
    const steps = single === null ? readSteps(fields.steps, `${key}.steps`) : [single];
    return steps.length === 0 ? [] : [{ key: `${key}.items`, title: null, steps }];
  }
  const list: unknown[] = Array.isArray(fields.steps) ? fields.steps : [];
  return list.flatMap((item, index) => {
    const own = `${key}.steps.${index}`;
    const sequence = fieldsOf(item);
    if (sequence !== null && sequence.type === undefined && Array.isArray(sequence.steps)) {
      const steps = readSteps(sequence.steps, `${own}.steps`);
      return { key: own, title: textOf(sequence.id) ?? "", steps };
    }
    const step = readStep(item, own);
    return step === null ? [] : { key: `${own}.alone`, title: null, steps: [step] };
  });
}

function fieldsOf(value: unknown): Fields | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : null;
}

function textOf(value: unknown): string | null {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return typeof value === "string" && value.trim() !== "" ? value.trim() : null;
}

/** All steps in the order of the text, each before what it contains. */
export function* everyStep(steps: readonly Step[]): Generator<Step> {
  for (const step of steps) {
    yield step;
    for (const branch of step.branches) yield* everyStep(branch.steps);
  }
}
