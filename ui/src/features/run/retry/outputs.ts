import type { Row } from "../model/rows";

/** The outputs that a person has chosen to replace, by step id, as JSON texts: as recorded, and as they are now. */
export type Outputs = Readonly<Record<string, { recorded: string; text: string }>>;

/** The outputs of reused steps that were edited. The server keeps the others. */
export function editedTexts(outputs: Outputs, reused: readonly Row[]): Record<string, string> {
  const edited = Object.entries(outputs).filter(
    ([step, { recorded, text }]) =>
      text !== recorded && reused.some(({ step_id, branch }) => step_id === step && branch === ""),
  );
  return Object.fromEntries(edited.map(([step, { text }]) => [step, text]));
}
