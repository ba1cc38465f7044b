import { expect, test } from "vitest";
import { can, ROLES } from "./access";

test.each([
  ["pipelines:execute", ["operator", "editor", "admin", "owner"]],
  ["pipelines:write", ["editor", "admin", "owner"]],
  ["workspace:admin", ["admin", "owner"]],
  ["workspace:owner", ["owner"]],
] as const)("%s is for %s", (ability, roles) => {
  expect(ROLES.filter((role) => can(role, ability))).toEqual(roles);
});
