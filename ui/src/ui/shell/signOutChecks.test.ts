import { expect, test } from "vitest";
import { beforeSignOut, mayLeave } from "./signOutChecks";

test("all checks are performed before a person leaves", async () => {
  const done: string[] = [];
  beforeSignOut(async () => {
    done.push("first");
    return null;
  });
  beforeSignOut(async () => {
    done.push("second");
    return null;
  });

  expect(await mayLeave("sign-out")).toBe(true);
  expect(done).toEqual(["first", "second"]);
});
