import { describe, expect, test } from "vitest";
import { attemptsOf, definitionOf, lineOf, operationsOf } from "./kinds";

const YAML = `name: Two
steps:
  - id: draft
    prompt: "id: check"
  - type: parallel
    id: "both"
    steps:
      - {id: check, prompt: Hello}
      - {type: llm, id: "last.one"}
`;

describe("the line of a step", () => {
  test.each([
    ["draft", 3],
    ["both", 6],
    ["check", 8],
    ["last.one", 9],
    ["raft", null],
    ["lastXone", null],
  ])("%s is on line %s", (id, line) => {
    expect(lineOf(YAML, id)).toBe(line);
  });
});

test("the definition of a step is found inside a parallel and a for_each", () => {
  const inner = { id: "inner", prompt: "Hello" };
  const definition = {
    id: "not a step",
    steps: [
      { id: "a" },
      { id: "each", for_each: "input.list", step: { id: "seq", steps: [inner] } },
    ],
  };

  expect(definitionOf(definition, "inner")).toBe(inner);
  expect(definitionOf(definition, "missing")).toBeNull();
});

test("calls are shown by attempt, the last one by default", () => {
  const operations = [1, 1, 2].map((attempt, index) => ({ attempt, number: index + 1 })) as never;

  expect(attemptsOf({ operations })).toEqual([1, 2]);
  expect(operationsOf({ operations }, undefined)).toHaveLength(1);
  expect(operationsOf({ operations }, 1)).toHaveLength(2);
});
