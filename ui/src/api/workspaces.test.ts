import { expect, test } from "vitest";
import { thingOf } from "./workspaces";

test.each([
  ["/runs/1", "/api/runs/1"],
  ["/pipelines/1/edit", "/api/pipelines/1"],
  ["/jobs/1", "/api/bulk-jobs/1"],
  ["/deliveries/1", "/api/deliveries/1"],
  ["/runs", null],
  ["/settings/keys", null],
])("the page %s is about %s", (pathname, thing) => {
  expect(thingOf(pathname)).toBe(thing);
});
