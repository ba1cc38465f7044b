import { describe, expect, it } from "vitest";
import { cellsOf, levelOf } from "./density";

const schedule = (name: string, runs: number[]) => ({
  schedule_id: name,
  pipeline_id: "p",
  pipeline_name: "P",
  name,
  runs,
});

describe("cellsOf", () => {
  it("adds the runs of all schedules in an hour, most runs first", () => {
    const cellAt = cellsOf([schedule("a", [0, 1, 2]), schedule("b", [0, 60, 0])], 7_200_000);

    expect(cellAt(7_200_000)).toEqual({ runs: 0, schedules: [] });
    expect(cellAt(10_800_000).runs).toBe(61);
    expect(cellAt(10_800_000).schedules.map((each) => [each.schedule.name, each.runs])).toEqual([
      ["b", 60],
      ["a", 1],
    ]);
    expect(cellAt(99_999_999).runs).toBe(0);
  });
});

describe("levelOf", () => {
  it("grows with the number of runs", () => {
    expect([0, 1, 2, 5, 6, 20, 21, 600].map(levelOf)).toEqual([0, 1, 2, 2, 3, 3, 4, 4]);
  });
});
