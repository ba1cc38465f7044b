import { expect, test } from "vitest";
import { pageAfterSwitch } from "./switchWorkspace";

const ID = "0192f0c5-1d3a-7b10-8c44-2f6f3a9e7d01";

test.each([
  ["/settings/members", "/settings/members"],
  ["/runs", "/runs"],
  [`/runs/${ID}`, "/runs"],
  [`/pipelines/${ID}/edit`, "/pipelines"],
  [`/deliveries/${ID}`, "/pipelines"],
  [`/jobs/${ID}`, "/jobs"],
  [`/admin/users/${ID}`, "/admin/users"],
  ["/", "/"],
])("the switch of the workspace on %s leads to %s", (pathname, expected) => {
  expect(pageAfterSwitch(pathname)).toBe(expected);
});
