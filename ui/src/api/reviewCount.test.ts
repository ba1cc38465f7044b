// @vitest-environment happy-dom
import { QueryClient } from "@tanstack/react-query";
import { afterEach, expect, test, vi } from "vitest";
import { reviewCountQuery } from "./reviewCount";

afterEach(() => vi.unstubAllGlobals());

test.each([
  [[], null, ""],
  [[{}, {}], null, "2"],
  [[{}, {}], "next", "2+"],
])("a page of %j with the cursor %j is shown as %j", async (data, next_cursor, shown) => {
  vi.stubGlobal("fetch", async () => new Response(JSON.stringify({ data, next_cursor })));

  expect(await new QueryClient().fetchQuery(reviewCountQuery)).toBe(shown);
});
