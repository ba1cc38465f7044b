import { describe, expect, it } from "vitest";
import { linksOf, ranksOf } from "./links";
import { stepsOf } from "./steps";

function found(...steps: Record<string, unknown>[]) {
  const { links, hasEnd } = linksOf(stepsOf({ steps }) ?? []);
  return {
    hasEnd,
    links: links.map(({ from, to, tags }) => `${from}-${to} ${tags.join(",")}`.trim()),
    ranks: ranksOf(steps.length, links, hasEnd),
  };
}

const always = (goto: string) => ({ on_condition: [{ if: true, goto }] });

describe("linksOf", () => {
  it("connects steps in the order of the text", () => {
    expect(found({ id: "a" }, { id: "b" }, { id: "c" })).toEqual({
      hasEnd: false,
      links: ["0-1", "1-2"],
      ranks: [0, 1, 2],
    });
  });

  it("puts steps that exclude each other beside each other", () => {
    const cases = [
      { if: "x", goto: "b" },
      { if: "y", goto: "c" },
    ];
    const { links, ranks, hasEnd } = found(
      { id: "a", type: "condition", cases, else: "d" },
      { id: "b", ...always("end") },
      { id: "c", ...always("d") },
      { id: "d" },
    );

    expect(hasEnd).toBe(true);
    expect(links).toEqual(["0-1 1", "0-2 2", "0-3 else", "1-4 1", "2-3 1", "3-4"]);
    expect(ranks).toEqual([0, 1, 1, 2, 3]);
  });

  it("joins the marks of several jumps to one step", () => {
    const cases = [
      { if: "x", goto: "b" },
      { if: "y", goto: "next" },
    ];
    expect(found({ id: "a", type: "condition", cases }, { id: "b" }).links).toEqual([
      "0-1 1,2,else",
    ]);
  });

  it("knows jumps back, and jumps of a step to itself", () => {
    const again = { on_condition: [{ if: "x", goto: "a" }], on_error: { goto: "b" } };
    expect(found({ id: "a" }, { id: "b", ...again })).toEqual({
      hasEnd: false,
      links: ["0-1", "1-0 1", "1-1 error"],
      ranks: [0, 1],
    });
  });

  it("leaves out jumps to steps that do not exist in the sequence", () => {
    expect(found({ id: "a", on_error: { goto: "elsewhere" } }, { id: "b" }).links).toEqual(["0-1"]);
  });

  it("puts a step that nothing leads to below the one before it", () => {
    expect(found({ id: "a", ...always("end") }, { id: "b" }).ranks).toEqual([0, 1, 2]);
  });
});
