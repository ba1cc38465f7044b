import { describe, expect, it } from "vitest";
import { sideBySide } from "./sideBySide";

const LINES = Array.from({ length: 20 }, (_, index) => `line ${index + 1}`);
const BEFORE = `${LINES.join("\n")}\n`;

describe("texts side by side", () => {
  it("have changed lines beside each other", () => {
    const rows = sideBySide("a\nb\nc\n", "a\nB\nc\nd\n", false);
    expect(rows.map(({ kind }) => kind)).toEqual(["same", "changed", "same", "changed"]);
    expect(rows[1]).toEqual({
      kind: "changed",
      left: { number: 2, text: "b" },
      right: { number: 2, text: "B" },
    });
    expect(rows[3]).toEqual({ kind: "changed", left: null, right: { number: 4, text: "d" } });
  });

  it("hide lines that are far from a change", () => {
    const after = BEFORE.replace("line 10\n", "");
    const rows = sideBySide(BEFORE, after, true);
    expect(rows[0]).toEqual({ kind: "folded", count: 6 });
    expect(rows).toHaveLength(1 + 3 + 1 + 3 + 1);
    expect(rows.at(-1)).toEqual({ kind: "folded", count: 7 });
  });

  it("keep every line of both texts", () => {
    const after = `${LINES.slice(3).join("\n")}\nlast`;
    const rows = sideBySide(BEFORE, after, false);
    const side = (name: "left" | "right") =>
      rows.flatMap((row) => (row.kind === "folded" ? [] : (row[name]?.text ?? [])));
    expect(side("left")).toEqual(LINES);
    expect(side("right")).toEqual([...LINES.slice(3), "last"]);
  });
});
