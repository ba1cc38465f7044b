import fc from "fast-check";
import { expect, test } from "vitest";
import { changeBetween } from "./changeBetween";

test("only the part that differs is replaced", () => {
  expect(changeBetween("name: A\nsteps:", "name: AB\nsteps:")).toEqual({
    from: 7,
    to: 7,
    insert: "B",
  });
});

test("the change makes one text of the other", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 12 });
  fc.assert(
    fc.property(text, text, (before, after) => {
      const { from, to, insert } = changeBetween(before, after);
      expect(before.slice(0, from) + insert + before.slice(to)).toBe(after);
    }),
  );
});
