/** Texts of the deliveries and events of a run. */
export const strings = {
  deliveries: {
    notLoaded: "The deliveries could not be loaded",
    none: "This run has no deliveries",
    noneText: "Add targets below output.deliver in the definition to send the result of each run.",
    list: "Deliveries",
    attempt: (number: number) => `Attempt ${number}`,
    status: (code: number) => `status ${code}`,
    all: "All deliveries of the pipeline",
  },
  events: {
    notLoaded: "The events could not be loaded",
    label: "Events",
    number: "#",
    time: "Time",
    type: "Event",
    step: "Step",
    detail: "Detail",
    more: "Load more",
  },
  graph: {
    notLoaded: "The definition of the run could not be loaded",
  },
} as const;
