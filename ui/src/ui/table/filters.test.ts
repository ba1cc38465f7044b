import { expect, test } from "vitest";
import { chipText, readChoice, readList, readText, valuesOf } from "./filters";

const STATUSES = ["running", "failed"] as const;

test("a list keeps only known values, in the order of the product", () => {
  expect(readList(["failed", "unknown", "running"], STATUSES)).toEqual(["running", "failed"]);
  expect(readList("failed", STATUSES)).toEqual(["failed"]);
  expect(readList(undefined, STATUSES)).toBeUndefined();
  expect(readChoice("unknown", STATUSES)).toBeUndefined();
});

test("a text that looks like a number remains a text", () => {
  expect(readText(12)).toBe("12");
  expect(readText("")).toBeUndefined();
  expect(readText({})).toBeUndefined();
});

test("a chip shows the labels of the values", () => {
  const options = [{ value: "failed", label: "Failed" }];
  const filter = { id: "status", label: "Status", kind: "choice", options } as const;

  expect(chipText(filter, valuesOf({ status: ["failed", "new"] }, "status"))).toBe("Failed, new");
  expect(valuesOf({}, "status")).toEqual([]);
});
