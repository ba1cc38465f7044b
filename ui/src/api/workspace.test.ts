// @vitest-environment happy-dom
import { beforeEach, expect, test } from "vitest";
import {
  chooseWorkspace,
  currentWorkspace,
  dropWorkspace,
  recallWorkspace,
  shownWorkspace,
} from "./workspace";

const TEAM = { id: "team", name: "Team", userId: "ada" };

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
  recallWorkspace(null);
});

test("a tab continues with its own workspace after a reload", () => {
  chooseWorkspace(TEAM);
  localStorage.setItem("stepiq-workspace-ada", "of another tab");

  recallWorkspace("ada");

  expect(currentWorkspace()).toBe("team");
});

test("a new tab begins with the workspace that the person used last", () => {
  chooseWorkspace(TEAM);
  sessionStorage.clear();

  recallWorkspace("ada");

  expect(currentWorkspace()).toBe("team");
});

test("the workspace of one person is not shown to another", () => {
  chooseWorkspace(TEAM);

  recallWorkspace("bob");

  expect(currentWorkspace()).toBeNull();
});

test("a dropped workspace is not requested again", () => {
  chooseWorkspace(TEAM);

  dropWorkspace();

  expect(currentWorkspace()).toBeNull();
  expect(shownWorkspace()).toBeNull();
});

test("the browser stores no name of a workspace beyond the tab", () => {
  chooseWorkspace(TEAM);

  expect(JSON.stringify(localStorage)).not.toContain("Team");
});
