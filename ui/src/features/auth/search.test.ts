import { expect, test } from "vitest";
import { isLocalPath, readFragment, readNext } from "./search";

test.each(["/runs?status=failed#x", "/", "/runs/1"])("%s is a path of this server", (text) => {
  expect(isLocalPath(text)).toBe(true);
});

test.each([
  "//evil.example",
  "/\\evil.example",
  "https://evil.example",
  "javascript:alert(1)",
  "runs",
  "/\t/evil.example",
])("%s is not a path of this server", (text) => {
  expect(isLocalPath(text)).toBe(false);
});

test("an invalid next page is dropped", () => {
  expect(readNext({ next: "//evil.example" })).toEqual({});
  expect(readNext({ next: ["/runs"] })).toEqual({});
  expect(readNext({ next: "/runs" })).toEqual({ next: "/runs" });
});

test("a token is read from the fragment", () => {
  expect(readFragment("#setup=a-b_c", "setup")).toBe("a-b_c");
  expect(readFragment("setup=a%2Bb", "setup")).toBe("a+b");
  expect(readFragment("#other=1", "setup")).toBeNull();
  expect(readFragment("", "setup")).toBeNull();
});
