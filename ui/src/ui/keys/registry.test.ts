import { expect, test, vi } from "vitest";
import { KeyRegistry } from "./registry";

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
