// @vitest-environment happy-dom
import { beforeEach, expect, test, vi } from "vitest";
import { forgetSession, sessionEnded } from "./session";
import { keepTypedBy, readTyped, writeTyped } from "./typed";

beforeEach(() => {
  sessionStorage.clear();
  keepTypedBy("ada");
  writeTyped("review 1", "Shorter.");
});

test("a text is kept until it is removed", () => {
  expect(readTyped("review 1")).toBe("Shorter.");

  writeTyped("review 1", null);

  expect(readTyped("review 1")).toBeNull();
});

test("if a text cannot be stored, the earlier one is removed too", () => {
  const storage = sessionStorage;
  vi.stubGlobal("sessionStorage", {
    removeItem: (key: string) => storage.removeItem(key),
    setItem: () => {
      throw new DOMException("full", "QuotaExceededError");
    },
  });

  writeTyped("review 1", "Longer.");

  vi.unstubAllGlobals();
  expect(readTyped("review 1")).toBeNull();
});

test("a reload by the same person keeps it", () => {
  keepTypedBy("ada");

  expect(readTyped("review 1")).toBe("Shorter.");
});

test.each([null, "eda"])(
  "when the session ends or another person signs in, it is gone: %s",
  (next) => {
    sessionStorage.setItem("other", "kept");

    keepTypedBy(next);

    expect(readTyped("review 1")).toBeNull();
    expect(JSON.stringify(sessionStorage)).not.toContain("Shorter.");
    expect(sessionStorage.getItem("other")).toBe("kept");
  },
);

test.each([
  ["by itself", sessionEnded],
  ["by the person", forgetSession],
])("the end of the session %s forgets it", (_how, end) => {
  end();

  expect(readTyped("review 1")).toBeNull();
});
