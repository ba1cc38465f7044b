import { expect, test } from "vitest";
import { endedTexts } from "./endedTexts";

const NOTHING = {
  service_keys_revoked: 0,
  schedules_disabled: 0,
  invitations_withdrawn: 0,
  runs_cancelled: 0,
  two_factor_disabled: false,
};

test("what has ended is counted", () => {
  const ended = { ...NOTHING, service_keys_revoked: 2, two_factor_disabled: true };

  expect(endedTexts(ended)).toEqual(["Service keys revoked: 2.", "Two-factor sign-in is off."]);
});

test("what did not exist is left out", () => {
  expect(endedTexts(NOTHING)).toEqual([]);
});
