import { readChoice, readText } from "@/ui/table/filters";

export const PANELS = ["graph", "docs", "test", "problems"] as const;
export type Panel = (typeof PANELS)[number];

/** Search parameters of the editor. */
export type EditorSearch = {
  panel?: Panel;
  /** The step to test. */
  step?: string;
  /** The run whose outputs the test of a step uses. */
  from?: string;
  /** The test run that is shown. */
  test?: string;
  /** The example whose input the test form shows. */
  example?: string;
  /** Whether the dialog that starts a run is open. */
  run?: boolean;
};

export function readEditorSearch(search: Record<string, unknown>): EditorSearch {
  return {
    panel: readChoice(search.panel, PANELS),
    step: readText(search.step),
    from: readText(search.from),
    test: readText(search.test),
    example: readText(search.example),
    run: search.run === true || undefined,
  };
}
