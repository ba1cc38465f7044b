import { describe, expect, test } from "vitest";
import type { StepSummary } from "@/api/run";
import { listedRow } from "./applyEvent";
import type { Row } from "./rows";
import { randomFrom, step } from "./testRows";
import {
  builderOf,
  countInside,
  firstFailure,
  isExpanded,
  revealed,
  UNCHANGED,
  visibleNodes,
  withChoice,
} from "./tree";

function rowsOf(steps: StepSummary[]): Row[] {
  return steps.map((each) => listedRow(undefined, each, 1));
}

function treeOf(steps: StepSummary[]) {
  const rows = rowsOf(steps);
  const byKey = new Map(rows.map((row) => [row.key, row]));
  return { tree: builderOf(rows).snapshot(), rowOf: (key: string) => byKey.get(key), rows };
}

let ordinal = 0;
const next = (id: string, values: Partial<StepSummary> = {}) =>
  step(id, { ordinal: ++ordinal, ...values });

function fanOut(items: number): StepSummary[] {
  return [
    next("each", { type: "parallel" }),
    ...Array.from({ length: items }, (_, item) => next("draft", { branch: String(item) })),
  ];
}

describe("the tree", () => {
  test("steps in branches are below the step that contains them, in the order of branches", () => {
    const { tree } = treeOf([
      next("start"),
      next("both", { type: "parallel" }),
      next("slow", { branch: "1" }),
      next("inner", { branch: "0", type: "parallel" }),
      next("deep", { branch: "0/0" }),
      next("later", { branch: "1" }),
      next("end"),
    ]);

    expect(visibleNodes(tree, UNCHANGED).map(({ key, level }) => [key, level])).toEqual([
      ["start||1", 1],
      ["both||1", 1],
      ["inner|0|1", 2],
      ["deep|0/0|1", 3],
      ["slow|1|1", 2],
      ["later|1|1", 2],
      ["end||1", 1],
    ]);
  });

  test("each round of a parallel has the steps that started after it", () => {
    const { tree } = treeOf([
      next("each", { type: "parallel" }),
      next("draft", { branch: "0" }),
      next("each", { type: "parallel", iteration: 2 }),
      next("draft", { branch: "0", iteration: 2 }),
    ]);

    expect(tree.roots.map(({ key, children }) => [key, children.map((each) => each.key)])).toEqual([
      ["each||1", ["draft|0|1"]],
      ["each||2", ["draft|0|2"]],
    ]);
  });

  test("the order in which rows arrive has no effect", () => {
    const steps = [...fanOut(30), next("end")];
    const random = randomFrom(7);
    const shuffled = [...steps].sort(() => random() - 0.5);

    const keys = (each: StepSummary[]) =>
      visibleNodes(treeOf(each).tree, { all: true, chosen: new Map() }).map(({ key }) => key);
    expect(keys(shuffled)).toEqual(keys(steps));
  });

  test("10,000 items are one row with counts until a person opens it", () => {
    const { tree, rowOf } = treeOf(fanOut(10_000));
    const root = tree.roots[0];
    if (root === undefined) throw new Error("no root");

    expect(visibleNodes(tree, UNCHANGED)).toHaveLength(1);
    expect(countInside(root, rowOf)).toEqual({
      total: 10_000,
      ended: 10_000,
      failed: 0,
      running: 0,
    });
    expect(visibleNodes(tree, withChoice(UNCHANGED, root.key, true))).toHaveLength(10_001);
  });
});

test("a selected row inside a closed one is revealed", () => {
  const { tree } = treeOf(fanOut(100));
  const inside = tree.nodes.get("draft|57|1");

  const expansion = revealed(UNCHANGED, inside);

  expect(visibleNodes(tree, expansion).some(({ key }) => key === "draft|57|1")).toBe(true);
  expect(revealed(expansion, inside)).toBe(expansion);
});

test("collapsing all closes also short lists", () => {
  const { tree } = treeOf(fanOut(3));
  const root = tree.roots[0];
  if (root === undefined) throw new Error("no root");

  expect(isExpanded(root, UNCHANGED)).toBe(true);
  expect(isExpanded(root, { all: false, chosen: new Map() })).toBe(false);
});

test("the first failure is the step that failed, not the one that contains it", () => {
  const { tree, rowOf } = treeOf([
    next("each", { type: "parallel", status: "failed", completed_at: "2026-01-01T00:00:03.000Z" }),
    next("draft", { branch: "0" }),
    next("draft", { branch: "1", status: "failed", completed_at: "2026-01-01T00:00:02.000Z" }),
    next("draft", { branch: "2", status: "failed", completed_at: "2026-01-01T00:00:01.000Z" }),
  ]);

  expect(firstFailure(tree, rowOf)).toBe("draft|2|1");
});
