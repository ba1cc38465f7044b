import { expect, test } from "vitest";
import { visible } from "./visible";

test.each([
  ["\u001b[31mred\u001b[0m", "␛[31mred␛[0m"],
  ["a\u202etxt.exe\u202c", "a[U+202E]txt.exe[U+202C]"],
  ["\u2066x\u2069", "[U+2066]x[U+2069]"],
  ["\u0000\u0007\u007f\u009b", "␀␇␡[U+009B]"],
  ["tab\tand\r\nlines", "tab\tand\r\nlines"],
  ["שלום and مرحبا", "שלום and مرحبا"],
  ["👩‍👩‍👧 é", "👩‍👩‍👧 é"],
])("%j is shown as %j", (text, shown) => {
  expect(visible(text)).toBe(shown);
});
