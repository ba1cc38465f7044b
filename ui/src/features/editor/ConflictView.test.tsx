// @vitest-environment happy-dom
import { MantineProvider } from "@mantine/core";
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { useReducer } from "react";
import { afterEach, expect, test } from "vitest";
import { ConflictView } from "./ConflictView";
import { openDraft, reduceDraft } from "./draftState";

const DRAFT = { text: "name: Mine", revision: "r1", lineage: "r1", baseVersion: 1 };
const ANCESTOR = "name: Old";
const OPENED = openDraft({
  draft: DRAFT,
  base: { version: 1, text: ANCESTOR },
  latestVersion: 1,
  orphans: [
    { tab: "one", text: "name: First", ancestor: ANCESTOR },
    { tab: "two", text: "name: Second", ancestor: ANCESTOR },
  ],
});

function Editor() {
  const [state, dispatch] = useReducer(reduceDraft, OPENED);
  return <ConflictView session={{ dispatch }} state={state} />;
}

afterEach(cleanup);

test("the choices for a conflict do not apply to the next one", () => {
  render(<Editor />, { wrapper: MantineProvider });
  fireEvent.click(screen.getByRole("radio", { name: "Yours" }));
  fireEvent.click(screen.getByRole("button", { name: "Continue with the result" }));

  expect(screen.getByRole("figure", { name: "Theirs" }).textContent).toContain("name: Second");
  expect(screen.getByText("1 place left")).toBeTruthy();
  const apply = screen.getByRole<HTMLButtonElement>("button", { name: "Continue with the result" });
  expect(apply.disabled).toBe(true);
});
