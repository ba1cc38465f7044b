import { describe, expect, it } from "vitest";
import { everyStep, stepsOf } from "./steps";

function only(fields: Record<string, unknown>) {
  const [step] = stepsOf({ steps: [fields] }) ?? [];
  if (step === undefined) throw new Error("The document has no step.");
  return step;
}

describe("stepsOf", () => {
  it("reads a model call, which is the type of a step without one", () => {
    expect(only({ id: "ask", name: "Ask", model: "openai/gpt-4o", prompt: "Hi" })).toMatchObject({
      key: "steps.0",
      id: "ask",
      name: "Ask",
      type: "llm",
      model: "openai/gpt-4o",
      hasNext: true,
      jumps: [],
      branches: [],
    });
  });

  it.each(["transform", "webhook", "human_review", "wait", "code", "salesforce"])(
    "reads a step of the type %s",
    (type) => {
      expect(only({ id: "one", type })).toMatchObject({ type, name: "one", hasNext: true });
    },
  );

  it("numbers the cases of a condition, which goes on to the next step if none is true", () => {
    const step = only({
      id: "route",
      type: "condition",
      cases: [
        { if: "input.amount > 5", goto: "board" },
        { if: true, goto: "end" },
      ],
    });

    expect(step.hasNext).toBe(false);
    expect(step.jumps).toEqual([
      { tag: "1", when: "input.amount > 5", goto: "board" },
      { tag: "2", when: "true", goto: "end" },
      { tag: "else", when: "", goto: "next" },
    ]);
  });

  it("reads where a condition continues otherwise", () => {
    const { jumps } = only({ type: "condition", cases: [], else: "other" });

    expect(jumps).toEqual([{ tag: "else", when: "", goto: "other" }]);
  });

  it("reads the jumps after a step, of failures and of rejections", () => {
    const step = only({
      type: "human_review",
      on_condition: [{ if: "steps.a.output > 1", goto: "a" }],
      on_error: { goto: "b" },
      on_reject: { goto: "c", max_loops: 3 },
    });

    expect(step.hasNext).toBe(true);
    expect(step.jumps).toEqual([
      { tag: "1", when: "steps.a.output > 1", goto: "a" },
      { tag: "error", when: "", goto: "b" },
      { tag: "rejected", when: "", goto: "c" },
    ]);
  });

  it("finds no way to the next step after a jump that is always taken", () => {
    expect(only({ on_condition: [{ if: true, goto: "end" }] }).hasNext).toBe(false);
    expect(only({ on_condition: [{ if: "true", goto: "end" }] }).hasNext).toBe(false);
    expect(only({ on_condition: [{ if: true, goto: "a", on_limit: "next" }] }).hasNext).toBe(true);
    expect(only({ if: "input.x", on_condition: [{ if: true, goto: "end" }] }).hasNext).toBe(true);
    expect(only({ on_error: "continue", type: "condition", cases: [] }).hasNext).toBe(true);
  });

  it("reads the branches of a parallel: single steps and sequences", () => {
    const step = only({
      id: "both",
      type: "parallel",
      steps: [
        { id: "careful", prompt: "a" },
        { id: "bold", steps: [{ id: "idea" }, { id: "refined" }] },
        { id: "inner", type: "parallel", steps: [{ id: "deep" }] },
      ],
    });

    expect(step.branches.map(({ key, title }) => [key, title])).toEqual([
      ["steps.0.steps.0.alone", null],
      ["steps.0.steps.1", "bold"],
      ["steps.0.steps.2.alone", null],
    ]);
    expect([...everyStep([step])].map(({ key }) => key)).toEqual([
      "steps.0",
      "steps.0.steps.0",
      "steps.0.steps.1.steps.0",
      "steps.0.steps.1.steps.1",
      "steps.0.steps.2",
      "steps.0.steps.2.steps.0",
    ]);
  });

  it("reads the steps for each item of a list", () => {
    const one = only({ type: "parallel", for_each: "input.list", step: { id: "a" } });
    const several = only({ type: "parallel", for_each: "input.list", steps: [{ id: "a" }] });

    expect(one.forEach).toBe("input.list");
    expect(one.branches[0]?.steps[0]?.key).toBe("steps.0.step");
    expect(several.branches[0]?.steps[0]?.key).toBe("steps.0.steps.0");
  });

  it("leaves out what is not a step", () => {
    expect(stepsOf(null)).toBeNull();
    expect(stepsOf({ steps: 5 })).toBeNull();
    expect(stepsOf({ steps: [] })).toBeNull();
    expect(
      stepsOf({ steps: ["text", null, { id: "a", on_condition: "x", cases: 1 }] }),
    ).toHaveLength(1);
  });
});
