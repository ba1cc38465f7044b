import { expect, test } from "vitest";
import { isAssigned, nextOf, readReviewsSearch, searchFor, selectedKey } from "./search";

const key = (step_id: string, iteration = 1) => ({ run_id: "r", step_id, iteration });

test("the URL restores the selected review", () => {
  const search = searchFor({ show: "mine" }, key("check", 3));

  expect(search).toEqual({ show: "mine", run: "r", step: "check", iteration: 3 });
  expect(selectedKey(readReviewsSearch(search))).toEqual(key("check", 3));
});

test("half a selection is none", () => {
  expect(selectedKey(readReviewsSearch({ run: "r", iteration: 2, show: "other" }))).toBeNull();
});

test("the next review opens, and at the end the previous", () => {
  const rows = [key("a"), key("b"), key("c")];

  expect(nextOf(rows, key("a"))).toEqual(key("b"));
  expect(nextOf(rows, key("c"))).toEqual(key("b"));
  expect(nextOf([key("a")], key("a"))).toBeNull();
});

test("an assignee is found whatever the case of the address is", () => {
  expect(isAssigned({ assignees: ["Ada@Example.COM"] }, "ada@example.com")).toBe(true);
  expect(isAssigned({ assignees: [] }, "ada@example.com")).toBe(false);
});
