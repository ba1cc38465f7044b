import { expect, test } from "vitest";
import type { Pipeline } from "@/api/pipelines";
import { changedDetails, detailsOf, tagErrors } from "./details";

const stored = detailsOf({ name: "Report", description: "Daily", tags: ["a", "b c"] } as Pipeline);

test("nothing has changed at first, nor with spaces around", () => {
  expect(changedDetails(stored, stored)).toBeNull();
  expect(changedDetails(stored, { ...stored, name: " Report ", tags: " a\n\nb c \na" })).toBeNull();
});

test("only changed fields are sent", () => {
  expect(changedDetails(stored, { ...stored, name: "Other" })).toEqual({ name: "Other" });
  expect(changedDetails(stored, { ...stored, description: "" })).toEqual({ description: "" });
  expect(changedDetails(stored, { ...stored, tags: "x, y\nz" })).toEqual({ tags: ["x, y", "z"] });
  expect(changedDetails(stored, { ...stored, tags: "" })).toEqual({ tags: [] });
});

test("messages about tags belong to their field", () => {
  expect(tagErrors({ name: "x" })).toBeUndefined();
  expect(tagErrors({ tags: "Too many.", "tags[1]": "Bad." })).toBe("Too many. Bad.");
});
