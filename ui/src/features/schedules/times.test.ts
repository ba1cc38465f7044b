import { describe, expect, it } from "vitest";
import { zoneNames, zoneTime } from "./times";

const FIRING = { run_at: "2026-03-29T01:00:00.000Z", local: "2026-03-29T03:00:00+02:00" };

describe("times of a schedule", () => {
  it("are shown in the given zone", () => {
    expect(zoneTime(FIRING, "Europe/Berlin")).toContain("3:00");
    expect(zoneTime(FIRING, "UTC")).toContain("1:00");
  });

  it("are shown as the server wrote them if the zone is unknown here", () => {
    expect(zoneTime(FIRING, "Moon/Crater")).toBe("2026-03-29 03:00:00+02:00");
  });
});

describe("zones", () => {
  it("contain UTC and the given one once", () => {
    const names = zoneNames("Europe/Berlin", "Old/Name");
    expect(names.filter((name) => name === "Europe/Berlin")).toHaveLength(1);
    expect(names).toContain("UTC");
    expect(names).toContain("Old/Name");
  });
});
