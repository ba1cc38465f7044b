import { expect, test } from "vitest";
import { changedLines } from "./changedLines";

test("equal texts have no changes", () => {
  expect(changedLines("a\nb", "a\nb")).toBeNull();
});

test("lines that both texts have remain", () => {
  expect(changedLines("a\nb\nc\nd\ne", "a\nx\nc\ny\nd\ne")).toBe(
    "  a\n- b\n+ x\n  c\n+ y\n  d\n  e",
  );
});

test("a repeated line at the end counts once", () => {
  expect(changedLines("a", "a\na")).toBe("  a\n+ a");
});
