const kinds: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
};

/** Texts of forms for JSON. */
export const strings = {
  mode: "How to edit",
  form: "Form",
  json: "JSON",
  notAForm: "The JSON cannot be shown as a form.",
  wrongNumbers: "A form would change long numbers of this JSON.",
  noChoice: "–",
  add: "Add an item",
  remove: (name: string) => `Remove ${name}`,
  item: (index: number) => `Item ${index}`,
  issues: {
    notJson: (reason: string) => `This is not valid JSON: ${reason}`,
    notJsonLike: (example: string) => `This is not valid JSON. Write it like ${example}.`,
    notNumber: "This is not a number.",
    needed: "This field is required.",
    type: (type: string) => `This must be ${kinds[type] ?? type}.`,
    choices: (options: string) => `This must be one of: ${options}.`,
    atLeast: (least: number) => `This must be ${least} or more.`,
    atMost: (most: number) => `This must be ${most} or less.`,
    longer: (least: number) => `This must have ${least} or more characters.`,
    shorter: (most: number) => `This must have ${most} or fewer characters.`,
    moreItems: (least: number) => `This must have ${least} or more items.`,
    fewerItems: (most: number) => `This must have ${most} or fewer items.`,
    pattern: (pattern: string) => `This must match the pattern ${pattern}.`,
  },
} as const;
