// @vitest-environment happy-dom
import { beforeEach, expect, test } from "vitest";
import {
  chooseWorkspace,
  currentWorkspace,
  dropWorkspace,
  forgetWorkspace,
  recallWorkspace,
  rememberWorkspaceOnFocus,
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
  expect(shownWorkspace()).toBeNull();
});

test("a dropped workspace is not requested again", () => {
  chooseWorkspace(TEAM);

  dropWorkspace();

  expect(currentWorkspace()).toBeNull();
  expect(shownWorkspace()).toBeNull();
});

test("no tab begins with a workspace that the person has left", () => {
  chooseWorkspace(TEAM);

  forgetWorkspace();
  recallWorkspace("ada");

  expect(currentWorkspace()).toBeNull();
});

test("the workspace of another tab remains after the person has left one", () => {
  chooseWorkspace(TEAM);
  localStorage.setItem("stepiq-workspace-ada", "other");

  forgetWorkspace();
  recallWorkspace("ada");

  expect(currentWorkspace()).toBe("other");
});

test("new tabs begin with the workspace of the tab in focus, until its session has ended", () => {
  let hasEnded = false;
  rememberWorkspaceOnFocus(() => hasEnded);
  chooseWorkspace(TEAM);
  localStorage.clear();

  window.dispatchEvent(new Event("focus"));
  expect(localStorage.getItem("stepiq-workspace-ada")).toBe("team");

  localStorage.clear();
  hasEnded = true;
  window.dispatchEvent(new Event("focus"));
  expect(localStorage.getItem("stepiq-workspace-ada")).toBeNull();
});

test("the browser stores no name of a workspace beyond the tab", () => {
  chooseWorkspace(TEAM);

  expect(JSON.stringify(localStorage)).not.toContain("Team");
});
