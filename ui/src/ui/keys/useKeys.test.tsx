// @vitest-environment happy-dom
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { KeyHelp } from "./KeyHelp";
import { useKeys } from "./useKeys";

let root: Root;
beforeEach(() => {
  root = createRoot(document.body.appendChild(document.createElement("main")));
});
afterEach(() => root.unmount());

function Review({ name, approve }: { name: string; approve: (name: string) => void }) {
  useKeys("Reviews", [{ key: "a", label: "Approve", run: () => approve(name) }]);
  return <h1>{name}</h1>;
}

/** Press a key as soon as the text is in the document. Testing Library would first run all effects. */
function pressWhenShown(key: string, text: string): Promise<void> {
  return new Promise((resolve) => {
    const observer = new MutationObserver(() => {
      if (document.querySelector("h1")?.textContent !== text) return;
      observer.disconnect();
      document.dispatchEvent(new KeyboardEvent("keydown", { key }));
      resolve();
    });
    observer.observe(document.body, { childList: true, characterData: true, subtree: true });
  });
}

test("a key works as soon as its element is shown, and acts on what is shown", async () => {
  const approve = vi.fn();
  const show = (name: string) =>
    root.render(
      <>
        <KeyHelp />
        <Review name={name} approve={approve} />
      </>,
    );

  for (const name of ["Invoice", "Refund"]) {
    const pressed = pressWhenShown("a", name);
    show(name);
    await pressed;
  }

  expect(approve.mock.calls).toEqual([["Invoice"], ["Refund"]]);
});
