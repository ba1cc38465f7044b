import { expect, test } from "vitest";
import { matching, type PaletteItem, runIdIn } from "./matching";

const ID = "0192f0c5-1d3a-7b10-8c44-2f6f3a9e7d01";

test.each([ID, ` ${ID} `, ID.toUpperCase(), `https://host/runs/${ID}?step=a#x`, `runs/${ID}`])(
  "%s names a run",
  (text) => {
    expect(runIdIn(text)).toBe(ID);
  },
);

test.each(["", "runs", ID.slice(1), `${ID}/steps`])("%s names no run", (text) => {
  expect(runIdIn(text)).toBeNull();
});

const item = (label: string, group: PaletteItem["group"] = "Pages"): PaletteItem => ({
  id: label,
  group,
  label,
  run: () => {},
});

test("items contain all words, and those that begin with the first come first", () => {
  const items = [
    item("Unused"),
    item("Usage"),
    item("Use the dark theme", "Actions"),
    item("Runs"),
  ];

  expect(matching(items, "us").map(({ label }) => label)).toEqual([
    "Usage",
    "Use the dark theme",
    "Unused",
  ]);
  expect(matching(items, "theme use").map(({ label }) => label)).toEqual(["Use the dark theme"]);
  expect(matching(items, " ")).toHaveLength(4);
});

test("letters in their order are enough, after whole words", () => {
  const items = [item("Admin: Problems"), item("API keys"), item("Members")];

  expect(matching(items, "apk").map(({ label }) => label)).toEqual(["API keys"]);
});

test("items that were used last come first", () => {
  const items = [item("Runs"), item("Usage"), item("Members")];

  const found = matching(items, "", ["Members", "Usage"]);

  expect(found.map(({ label }) => label)).toEqual(["Members", "Usage", "Runs"]);
});
