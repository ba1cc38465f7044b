import { describe, expect, it } from "vitest";
import { readCode, shownCode } from "./search";

describe("readCode", () => {
  it("reads a code", () => {
    expect(readCode({ code: " BCDF-GHJK " })).toEqual({ code: "BCDF-GHJK" });
    expect(readCode({ code: 12345678 })).toEqual({ code: "12345678" });
  });

  it("ignores what cannot be one", () => {
    for (const code of [undefined, "", "  ", "x".repeat(21), { a: 1 }]) {
      expect(readCode({ code })).toEqual({});
    }
  });
});

describe("shownCode", () => {
  it("writes a code as the terminal shows it", () => {
    expect(shownCode("bcdf ghjk")).toBe("BCDF-GHJK");
    expect(shownCode("BCDF-GHJK")).toBe("BCDF-GHJK");
  });

  it("leaves other texts", () => {
    expect(shownCode("bcdf")).toBe("bcdf");
  });
});
