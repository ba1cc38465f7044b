/** Texts of the right side of the page of a run. */
export const strings = {
  close: "Close the details",
  run: "Whole run",
  runHas: "output, input, events",
  step: (step: string) => `Step ${step}`,
} as const;
