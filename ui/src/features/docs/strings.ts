/** Texts of the API reference, the errors and the step types. */
export const strings = {
  sections: "Reference",
  titles: { "/docs": "API reference", "/docs/errors": "Errors", "/docs/steps": "Step types" },
  contents: "Contents",
  search: "Search",
  searchHints: {
    "/docs": "Path, word or shape",
    "/docs/errors": "Code or word",
    "/docs/steps": "Type or word",
  },
  all: "All entries",
  example: "Example",
  openApi: "openapi.json",
  noMatch: "Nothing found",
  noMatchText: "Search for another word.",
  unknown: "This entry does not exist",
  unknownText: (id: string) => `This server has no entry named “${id}”. The list has all entries.`,
  keys: { title: "Reference", next: "Next entry", previous: "Previous entry" },
} as const;
