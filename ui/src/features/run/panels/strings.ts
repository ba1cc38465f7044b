/** Texts of the deliveries and events of a run. */
export const strings = {
  deliveries: {
    notLoaded: "The deliveries could not be loaded",
    none: "This run has no deliveries",
    noneText: "Add targets below output.deliver in the definition to send the result of each run.",
    list: "Deliveries",
    attempt: (number: number) => `Attempt ${number}`,
    status: (code: number) => `status ${code}`,
    headers: "Headers of the response",
    response: "Response",
    redeliver: "Redeliver",
    redelivered: "The delivery is sent again.",
    redeliverFailed: "The delivery was not sent again",
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
} as const;
