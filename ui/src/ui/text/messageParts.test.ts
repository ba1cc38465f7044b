import { expect, test } from "vitest";
import { messageParts } from "./messageParts";

test("what stands between backquotes is code", () => {
  expect(messageParts("Unknown field `nane`. Did you mean `name`?")).toEqual([
    { text: "Unknown field ", isCode: false },
    { text: "nane", isCode: true },
    { text: ". Did you mean ", isCode: false },
    { text: "name", isCode: true },
    { text: "?", isCode: false },
  ]);
});

test.each(["A single ` is a character.", "Two `` are characters.", ""])(
  "%j has no code",
  (text) => {
    expect(
      messageParts(text)
        .map((part) => part.text)
        .join(""),
    ).toBe(text);
    expect(messageParts(text).some(({ isCode }) => isCode)).toBe(false);
  },
);

test.each([
  [
    "Pipeline a is archived. Restore it first: POST /api/pipelines/a/restore.",
    "Pipeline a is archived. Restore it first.",
  ],
  [
    "There is no slug `a`. To list pipelines with their slugs, use GET /api/pipelines.",
    "There is no slug a.",
  ],
  [
    "Not stored. Store it with POST /api/user/secrets, then redeliver.",
    "Not stored. Store it, then redeliver.",
  ],
])("%j names no route of the API", (text, shown) => {
  const parts = messageParts(text).map((part) => part.text);

  expect(parts.join("")).toBe(shown);
});
