import { describe, expect, it } from "vitest";
import { readPipeline, stepAtOffset } from "./reading";

const TEXT = `name: Example
steps:
  - id: first
    prompt: Hello

  # about the second
  - id: both
    type: parallel
    steps:
      - {id: left, prompt: a}
      - id: right
        steps: [{id: one}, {id: two}]
output:
  from: both
`;

function at(text: string, part: string): string | null {
  const reading = readPipeline(text);
  return reading === null ? null : stepAtOffset(reading.places, text.indexOf(part));
}

describe("readPipeline", () => {
  it("knows the line of each step", () => {
    const places = readPipeline(TEXT)?.places ?? {};

    expect(Object.entries(places).map(([key, { line }]) => [key, line])).toEqual([
      ["steps.0", 3],
      ["steps.1", 7],
      ["steps.1.steps.0", 10],
      ["steps.1.steps.1.steps.0", 12],
      ["steps.1.steps.1.steps.1", 12],
    ]);
  });

  it("finds the innermost step at a place of the text", () => {
    expect(at(TEXT, "name: Example")).toBeNull();
    expect(at(TEXT, "Hello")).toBe("steps.0");
    expect(at(TEXT, "  - id: both")).toBe("steps.1");
    expect(at(TEXT, "parallel")).toBe("steps.1");
    expect(at(TEXT, "left")).toBe("steps.1.steps.0");
    expect(at(TEXT, "id: right")).toBe("steps.1");
    expect(at(TEXT, "two")).toBe("steps.1.steps.1.steps.1");
    expect(at(TEXT, "output")).toBeNull();
  });

  it("reads JSON", () => {
    const text = JSON.stringify({ name: "x", steps: [{ id: "a" }, { id: "b" }] }, null, 2);

    expect(at(text, '"b"')).toBe("steps.1");
    expect(readPipeline(text)?.places["steps.1"]?.line).toBe(7);
  });

  it("does not read what is not a pipeline", () => {
    expect(readPipeline("")).toBeNull();
    expect(readPipeline("name: x")).toBeNull();
    expect(readPipeline("steps: [")).toBeNull();
    expect(readPipeline("steps:\n  - id: a\n    prom")).toBeNull();
    expect(readPipeline(`a: &a [x,x]\nb: &b [${"*a,".repeat(200)}]\nsteps: [*b]`)).toBeNull();
  });
});
