import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { layoutPipeline } from "./layout";
import type { Box, Layout } from "./shapes";
import { stepsOf } from "./steps";

function layout(steps: unknown[], hasStatus = false): Layout {
  return layoutPipeline(stepsOf({ steps }) ?? [], hasStatus);
}

const boxOf = ({ boxes }: Layout, key: string) => boxes.find((box) => box.key === key) as Box;

describe("layoutPipeline", () => {
  it("places steps below each other, with straight lines", () => {
    const result = layout([{ id: "a" }, { id: "b" }]);

    const [a, b] = [boxOf(result, "steps.0"), boxOf(result, "steps.1")];
    expect(b.y).toBeGreaterThan(a.y + a.height);
    expect(new Set(result.lines[0]?.points.map(([x]) => x)).size).toBe(1);
  });

  it("gives boxes more room for a status", () => {
    const [plain, live] = [layout([{ id: "a" }]), layout([{ id: "a" }], true)];

    expect(live.height).toBeGreaterThan(plain.height);
  });

  it("puts branches into the box of their parallel", () => {
    const inner = { id: "seq", steps: [{ id: "b" }, { id: "c" }] };
    const result = layout([{ id: "both", type: "parallel", steps: [{ id: "a" }, inner] }]);

    const outer = boxOf(result, "steps.0");
    for (const box of result.boxes.slice(1)) expect(contains(outer, box)).toBe(true);
    expect(boxOf(result, "steps.0.steps.1").kind).toBe("branch");
    expect(
      contains(boxOf(result, "steps.0.steps.1"), boxOf(result, "steps.0.steps.1.steps.1")),
    ).toBe(true);
  });

  it("continues many branches below", () => {
    const steps = Array.from({ length: 50 }, (_, index) => ({ id: `s${index}` }));
    const { width } = layout([{ id: "all", type: "parallel", steps }]);

    expect(width).toBeLessThan(1000);
  });

  it("marks each line of a step with few jumps, and those of one with many only in its box", () => {
    const cases = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ if: `x == ${index}`, goto: `t${index}` }));
    const targets = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ id: `t${index}`, if: "x" }));
    const few = layout([
      { id: "a", type: "condition", cases: cases(2), else: "end" },
      ...targets(2),
    ]);
    const many = layout([{ id: "a", type: "condition", cases: cases(9) }, ...targets(9)]);

    expect(few.lines.flatMap(({ tags }) => tags.map(({ text }) => text))).toEqual([
      "1",
      "2",
      "else",
    ]);
    expect(many.lines.flatMap(({ tags }) => tags)).toEqual([]);
  });

  it("stays narrow with 1,000 steps that all can jump", () => {
    const steps = Array.from({ length: 1000 }, (_, index) => ({
      id: `s${index}`,
      on_condition: [{ if: "x", goto: "end" }],
      on_error: { goto: "s0" },
    }));
    const result = layout(steps);

    expect(result.boxes).toHaveLength(1001);
    expect(result.width).toBeLessThan(600);
  });

  it("lets no boxes and no lines cross boxes, whatever the jumps", () => {
    const target = (count: number) =>
      fc.oneof(
        fc.constantFrom("next", "end"),
        fc.nat({ max: count - 1 }).map((index) => `s${index}`),
      );
    const step = (count: number) =>
      fc.record(
        {
          type: fc.constantFrom("llm", "condition", "parallel"),
          cases: fc.array(fc.record({ if: fc.constant("x"), goto: target(count) }), {
            maxLength: 4,
          }),
          on_condition: fc.array(
            fc.record({ if: fc.constantFrom("x", true), goto: target(count) }),
            { maxLength: 2 },
          ),
          steps: fc.constant([{ id: "p" }, { id: "q", steps: [{ id: "r" }, { id: "t" }] }]),
        },
        { requiredKeys: ["type"] },
      );
    const pipeline = fc
      .integer({ min: 1, max: 9 })
      .chain((count) => fc.array(step(count), { minLength: count, maxLength: count }));

    fc.assert(
      fc.property(pipeline, (steps) => {
        const result = layout(steps.map((each, index) => ({ id: `s${index}`, ...each })));
        expect(crossings(result)).toEqual([]);
      }),
    );
  });
});

function contains(outer: Box, inner: Box): boolean {
  return (
    inner.x >= outer.x &&
    inner.y >= outer.y &&
    inner.x + inner.width <= outer.x + outer.width &&
    inner.y + inner.height <= outer.y + outer.height
  );
}

/** What overlaps at the same level, and what is outside the layout. */
function crossings({ boxes, lines, width, height }: Layout): string[] {
  const found: string[] = [];
  const top = boxes.filter(({ level }) => level === 0);
  const overlap = (box: Box, x1: number, y1: number, x2: number, y2: number) =>
    Math.min(x1, x2) < box.x + box.width - 0.5 &&
    Math.max(x1, x2) > box.x + 0.5 &&
    Math.min(y1, y2) < box.y + box.height - 0.5 &&
    Math.max(y1, y2) > box.y + 0.5;
  for (const [index, box] of top.entries()) {
    for (const other of top.slice(index + 1)) {
      if (overlap(box, other.x, other.y, other.x + other.width, other.y + other.height)) {
        found.push(`${box.key} ${other.key}`);
      }
    }
  }
  const keys = new Set(top.map(({ key }) => key));
  for (const line of lines.filter(({ source }) => keys.has(source))) {
    for (const [index, [x, y]] of line.points.entries()) {
      if (x < 0 || y < 0 || x > width || y > height) found.push(`${line.id} is outside`);
      const [nextX, nextY] = line.points[index + 1] ?? [x, y];
      for (const box of top)
        if (overlap(box, x, y, nextX, nextY)) found.push(`${line.id} ${box.key}`);
    }
  }
  return found;
}
