import { describe, expect, it } from "vitest";
import type { Attempt } from "@/api/deliveries";
import { attemptCount } from "./attempts";

const attempt = (number: number): Attempt => ({
  number,
  at: "2026-11-30T10:00:00Z",
  status_code: 500,
  error: "The receiver returned 500.",
  duration_ms: 3,
  response_headers: null,
  response_excerpt: null,
});

describe("attemptCount", () => {
  it("counts attempts that the list does not have", () => {
    expect(attemptCount({ attempts: [attempt(11), attempt(12)] })).toBe(12);
  });

  it("is 0 before the first attempt", () => {
    expect(attemptCount({ attempts: [] })).toBe(0);
  });
});
