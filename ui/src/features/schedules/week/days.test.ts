import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addDays, dayText, firstDay, hoursOf, rowsOf, slotOf, weekFrom } from "./days";

const zone = process.env.TZ;
beforeAll(() => {
  process.env.TZ = "Europe/Berlin";
});
afterAll(() => {
  process.env.TZ = zone;
});

describe("weekFrom", () => {
  it("has 24 hours in each of seven days", () => {
    const days = weekFrom(new Date(2026, 5, 1));

    expect(days.map(({ date }) => dayText(date))).toEqual([
      "2026-06-01",
      "2026-06-02",
      "2026-06-03",
      "2026-06-04",
      "2026-06-05",
      "2026-06-06",
      "2026-06-07",
    ]);
    expect(hoursOf(days)).toBe(168);
    expect(rowsOf(days)).toHaveLength(24);
  });

  it("leaves out the hour that the clocks skip", () => {
    const days = weekFrom(new Date(2026, 2, 26));
    const [, , , sunday] = days;

    expect(hoursOf(days)).toBe(167);
    expect(sunday && slotOf(sunday, { hour: 2, round: 0 })).toBeUndefined();
    expect(rowsOf(days)).toHaveLength(24);
  });

  it("has the hour that the clocks repeat twice", () => {
    const days = weekFrom(new Date(2026, 9, 25));
    const [sunday, monday] = days;
    const [first, again] = [0, 1].map((round) => sunday && slotOf(sunday, { hour: 2, round }));

    expect(hoursOf(days)).toBe(169);
    expect(rowsOf(days)).toHaveLength(25);
    expect((again?.start ?? 0) - (first?.start ?? 0)).toBe(3_600_000);
    expect(monday && slotOf(monday, { hour: 2, round: 1 })).toBeUndefined();
  });
});

describe("firstDay", () => {
  it("reads a day in the zone of the viewer", () => {
    expect(dayText(firstDay("2026-03-29", 0))).toBe("2026-03-29");
  });

  it.each([undefined, "tomorrow", "2026-3-1"])("is today without a day: %s", (text) => {
    expect(dayText(firstDay(text, new Date(2026, 4, 7, 15).getTime()))).toBe("2026-05-07");
  });

  it("moves over the end of months", () => {
    expect(dayText(addDays(new Date(2026, 11, 28), 7))).toBe("2027-01-04");
  });
});
