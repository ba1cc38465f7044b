import { expect, test } from "vitest";
import { pageState, reportState } from "./liveState";

test("the page shows its least good stream, and none after all have ended", () => {
  expect(pageState()).toBeNull();
  const [first, second] = [reportState(), reportState()];
  first("live");
  expect(pageState()).toBe("connecting");

  second("reconnecting");
  expect(pageState()).toBe("reconnecting");
  second(null);
  expect(pageState()).toBe("live");
  first("ended");
  expect(pageState()).toBeNull();
});
