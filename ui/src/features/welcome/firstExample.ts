import type { Example } from "@/api/pipelines";

/** The example that every model can do, also the small one. */
const FIRST = "customer_message";

export function firstExample(examples: readonly Example[]): Example {
  const example = examples.find(({ id }) => id === FIRST) ?? examples[0];
  if (example === undefined) throw new Error("The server has no examples.");
  return example;
}
