import { describe, expect, it } from "vitest";
import type { Usage } from "@/api/usage";
import { boundsOf, daysOf, lastDays, readUsageSearch } from "./search";
import { layersOf, OTHERS, scaleEnd, stacksOf } from "./stacks";

const FIGURES = { runs: 1, tokens: 10, cost_complete: true };

function usage(costs: Record<string, number>, daily: [string, string | null, number][]): Usage {
  return {
    series: Object.entries(costs).map(([key, cost]) => ({
      ...FIGURES,
      key,
      name: null,
      cost_usd_micros: cost,
    })),
    daily: daily.map(([day, key, cost]) => ({ ...FIGURES, day, key, cost_usd_micros: cost })),
  } as Usage;
}

describe("layers", () => {
  it("are the entries with the largest values, and the others", () => {
    const costs = { a: 1, b: 9, c: 3, d: 4, e: 5, f: 6, zero: 0 };
    const found = usage(costs, [
      ["2026-11-01", "a", 1],
      ["2026-11-01", "b", 9],
    ]);

    const keys = layersOf(found, "cost", "Others").map(({ key }) => key);

    expect(keys).toEqual(["b", "f", "e", "d", "c", OTHERS]);
  });

  it("have no others if each entry has a colour", () => {
    const found = usage({ a: 1 }, [["2026-11-01", "a", 1]]);

    expect(layersOf(found, "cost", "Others")).toEqual([{ key: "a", name: "a" }]);
  });
});

describe("stacks", () => {
  it("have a value for each day and layer", () => {
    const found = usage({ a: 3, b: 2 }, [
      ["2026-11-01", "a", 3],
      ["2026-11-03", "b", 2],
      ["2026-11-03", null, 4],
    ]);
    const days = daysOf({ from: "2026-11-01", to: "2026-11-03" });
    const layers = layersOf(found, "cost", "Others");

    const stacks = stacksOf(found, days, layers, "cost");

    expect(stacks.map(({ values }) => values)).toEqual([
      [3, 0, 0],
      [0, 0, 0],
      [0, 2, 4],
    ]);
    expect(stacks.map(({ total }) => total)).toEqual([3, 0, 6]);
  });

  it.each([
    [0, 1],
    [1, 1],
    [3, 5],
    [12, 20],
    [5001, 10_000],
  ])("end their scale for %d at %d", (most, end) => {
    expect(scaleEnd(most)).toBe(end);
  });
});

describe("search", () => {
  it("keeps a valid period only", () => {
    expect(readUsageSearch({ from: "2026-02-28", to: "2026-03-01", by: "caller" })).toMatchObject({
      from: "2026-02-28",
      to: "2026-03-01",
      by: "caller",
    });
    for (const [from, to] of [
      ["2026-02-30", "2026-03-01"],
      ["2026-03-02", "2026-03-01"],
      ["2020-01-01", "2026-03-01"],
      ["2026-03-02", undefined],
    ]) {
      expect(readUsageSearch({ from, to }).from).toBeUndefined();
    }
  });

  it("counts days in UTC", () => {
    const now = Date.parse("2026-11-26T23:59:00Z");

    expect(lastDays(3, now)).toEqual({ from: "2026-11-24", to: "2026-11-26" });
    expect(daysOf({ from: "2026-02-27", to: "2026-03-01" })).toHaveLength(3);
    expect(boundsOf("2026-11-26")).toEqual({
      after: "2026-11-26T00:00:00.000Z",
      before: "2026-11-27T00:00:00.000Z",
    });
  });
});
