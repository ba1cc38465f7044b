// @vitest-environment happy-dom
import { expect, test, vi } from "vitest";
import { KeyRegistry, listenForKeys } from "./registry";

const plain = { ctrlKey: false, metaKey: false, altKey: false };
const binding = (key: string) => ({ key, label: key, run: vi.fn() });

test("the group that was added last wins until it is removed", () => {
  const registry = new KeyRegistry();
  const [first, second] = [binding("j"), binding("j")];
  registry.add({ title: "Page", bindings: [first] });
  const remove = registry.add({ title: "Panel", bindings: [second] });

  expect(registry.find({ ...plain, key: "j" }, false)).toBe(second);
  remove();
  expect(registry.find({ ...plain, key: "j" }, false)).toBe(first);
});

test("while a person types, only keys with a modifier work", () => {
  const registry = new KeyRegistry();
  const [save, next] = [binding("mod+s"), binding("s")];
  registry.add({ title: "Editor", bindings: [save, next] });

  expect(registry.find({ ...plain, key: "s" }, true)).toBeUndefined();
  expect(registry.find({ ...plain, ctrlKey: true, key: "s" }, true)).toBe(save);
  expect(registry.find({ ...plain, metaKey: true, key: "S" }, true)).toBe(save);
});

test("Ctrl with a plain key's letter is not that key", () => {
  const registry = new KeyRegistry();
  registry.add({ title: "Page", bindings: [binding("f")] });

  expect(registry.find({ ...plain, ctrlKey: true, key: "f" }, false)).toBeUndefined();
});

test("a key that is held acts once, except a key that moves", () => {
  const registry = new KeyRegistry();
  const [approve, save, next] = [binding("a"), binding("mod+s"), binding("j")];
  registry.add({ title: "Page", bindings: [approve, save, next] });
  const stop = listenForKeys(registry);
  const press = (init: KeyboardEventInit) => {
    const event = new KeyboardEvent("keydown", { ...init, cancelable: true });
    document.dispatchEvent(event);
    return event;
  };

  const events = [{ key: "a" }, { key: "s", ctrlKey: true }, { key: "j" }].flatMap((init) => [
    press(init),
    press({ ...init, repeat: true }),
  ]);
  stop();

  expect([approve, save, next].map(({ run }) => run.mock.calls.length)).toEqual([1, 1, 2]);
  // Otherwise, the browser would save the page while Ctrl-S is held.
  expect(events.every(({ defaultPrevented }) => defaultPrevented)).toBe(true);
});
