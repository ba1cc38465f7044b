import { expect, test } from "vitest";
import { placeAt } from "./yamlPath";

/** The place of the mark `|` in a text. */
function place(text: string) {
  const lines = text.split("\n");
  const line = lines.findIndex((each) => each.includes("‸"));
  const column = (lines[line] ?? "").indexOf("‸");
  return placeAt(
    lines.map((each) => each.replace("‸", "")),
    line,
    column,
  );
}

test.each([
  ["na‸", [], null, "na"],
  ["name: x\nsteps:\n  - id: a\n    ty‸", ["steps", 0], null, "ty"],
  ["steps:\n  - id: a\n    prompt: x\n  - id: b\n    ‸", ["steps", 1], null, ""],
  ["steps:\n- id: a\n- id: b\n  type: ‸", ["steps", 1], "type", ""],
  ["steps:\n  - id: a\n    retry:\n      max‸", ["steps", 0, "retry"], null, "max"],
  ["steps:\n  - ‸", ["steps", 0], null, ""],
  [
    "steps:\n  - id: a\n    steps:\n      - id: b\n        model: gpt‸",
    ["steps", 0, "steps", 0],
    "model",
    "gpt",
  ],
  ["steps:\n  - id: a\n\n# A note\noutput:\n  fr‸", ["output"], null, "fr"],
  ["input:\n  schema:\n    topic:\n      type: str‸", ["input", "schema", "topic"], "type", "str"],
  ["steps:\n  - id: a\n    prompt: |\n      Hello\n    mod‸", ["steps", 0], null, "mod"],
])("%j is in %j", (text, path, key, typed) => {
  expect(place(text)).toMatchObject({ path, key, typed });
});

test("a block of text and a comment have no place", () => {
  expect(place("steps:\n  - id: a\n    prompt: |\n      Hel‸lo")).toBeNull();
  expect(place("steps: # no‸te")).toBeNull();
});
