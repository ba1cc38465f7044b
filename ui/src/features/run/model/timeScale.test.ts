import { describe, expect, test } from "vitest";
import { listedRow } from "./applyEvent";
import { at, randomFrom, START, step } from "./testRows";
import {
  idleGaps,
  merged,
  panned,
  percentIn,
  TimeScale,
  ticks,
  WHOLE,
  workOf,
  zoomed,
} from "./timeScale";

describe("idle time", () => {
  test("a wait for a person is idle, and so is a parallel around it", () => {
    const rows = [
      step("a", { started_at: at(0), completed_at: at(1000) }),
      step("ask", { type: "human_review", started_at: at(1000), completed_at: at(91_000) }),
      step("all", { type: "parallel", started_at: at(0), completed_at: at(99_000) }),
      step("b", { started_at: at(91_000), completed_at: at(92_000) }),
    ].map((each) => listedRow(undefined, each, 1));

    const work = workOf(rows, START + 92_000);

    expect(idleGaps({ from: START, to: START + 92_000 }, work)).toEqual([
      { from: START + 1000, to: START + 91_000 },
    ]);
  });

  test("intervals that touch are one", () => {
    expect(
      merged([
        { from: 5, to: 9 },
        { from: 0, to: 5 },
        { from: 12, to: 13 },
      ]),
    ).toEqual([
      { from: 0, to: 9 },
      { from: 12, to: 13 },
    ]);
  });
});

describe("the scale", () => {
  test("without gaps it is linear", () => {
    const scale = new TimeScale({ from: 0, to: 200 });

    expect([scale.at(-5), scale.at(50), scale.at(999)]).toEqual([0, 0.25, 1]);
  });

  test("a gap takes little room, however long it is", () => {
    const scale = new TimeScale({ from: 0, to: 1_000_000 }, [{ from: 100, to: 999_900 }]);

    expect(scale.at(999_900) - scale.at(100)).toBeCloseTo(0.04);
    expect(scale.at(100)).toBeCloseTo(0.48);
  });

  test.each(Array.from({ length: 30 }, (_, seed) => seed))(
    "times and places match in both directions (seed %i)",
    (seed) => {
      const random = randomFrom(seed);
      const bounds = Array.from({ length: 8 }, () => random() * 1e6).sort((a, b) => a - b);
      const gaps = [0, 2, 4, 6].map((index) => ({
        from: bounds[index] as number,
        to: bounds[index + 1] as number,
      }));
      const scale = new TimeScale({ from: 0, to: 1e6 }, gaps);
      const times = Array.from({ length: 50 }, () => random() * 1e6).sort((a, b) => a - b);

      const places = times.map((time) => scale.at(time));

      expect(places).toEqual([...places].sort((a, b) => a - b));
      times.forEach((time, index) => {
        expect(scale.timeAt(places[index] as number)).toBeCloseTo(time, 1);
      });
    },
  );

  test("a run of no length has a scale", () => {
    expect(new TimeScale({ from: 5, to: 5 }).at(5)).toBe(0);
  });
});

describe("zoom", () => {
  test("the point under the pointer stays where it is", () => {
    const view = zoomed(WHOLE, 0.3, 0.5);

    expect(percentIn(view, 0.3)).toBeCloseTo(30);
    expect(view.to - view.from).toBeCloseTo(0.5);
  });

  test("it ends at the whole run, and moving ends at its borders", () => {
    expect(zoomed({ from: 0.4, to: 0.6 }, 0.5, 100)).toEqual(WHOLE);
    expect(panned({ from: 0.5, to: 0.75 }, 3)).toEqual({ from: 0.75, to: 1 });
  });
});

test("labels of the axis are at round times", () => {
  expect(ticks(new TimeScale({ from: START, to: START + 10_000 }), WHOLE, 5)).toEqual([
    0, 2000, 4000, 6000, 8000, 10_000,
  ]);
});
