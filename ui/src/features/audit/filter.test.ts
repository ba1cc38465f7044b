import { expect, test } from "vitest";
import { filterOf } from "./filter";

test.each([
  [undefined, undefined],
  ["secret.deleted", ["secret.deleted"]],
  ["secret.deleted,secret.created", ["secret.created", "secret.deleted"]],
  ["secret.deleted,secret.stolen", ["secret.deleted"]],
  ["secret.stolen", undefined],
])("the actions %s are requested as %j", (action, expected) => {
  expect(filterOf({ action }).action).toEqual(expected);
});
