import { expect, test } from "vitest";
import { can, canManage, ROLES, rolesToGive } from "./access";

test.each([
  ["pipelines:execute", ["operator", "editor", "admin", "owner"]],
  ["pipelines:write", ["editor", "admin", "owner"]],
  ["workspace:admin", ["admin", "owner"]],
  ["workspace:owner", ["owner"]],
] as const)("%s is for %s", (ability, roles) => {
  expect(ROLES.filter((role) => can(role, ability))).toEqual(roles);
});

const BELOW_OWNER = ["viewer", "operator", "editor", "admin"];

test.each([
  ["viewer", []],
  ["operator", []],
  ["editor", []],
  ["admin", BELOW_OWNER],
  ["owner", [...BELOW_OWNER, "owner"]],
] as const)("a person with the role %s manages %j", (role, others) => {
  expect(rolesToGive(role)).toEqual(others);
  expect(ROLES.filter((other) => canManage(role, other))).toEqual(others);
});
