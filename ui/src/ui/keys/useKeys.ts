import { useLayoutEffect, useRef } from "react";
import { type KeyBinding, keyRegistry } from "./registry";

/**
 * Register keyboard shortcuts while the component is mounted.
 *
 * @param title heading of the shortcuts in the key help, such as "Runs".
 * @param bindings may be a new array at each render; the latest functions are called.
 */
export function useKeys(title: string, bindings: readonly KeyBinding[]): void {
  const latest = useRef(bindings);
  // Before the paint: a key acts on what the person sees.
  useLayoutEffect(() => {
    latest.current = bindings;
  });
  const signature = bindings.map(({ key, label }) => `${key}\u0000${label}`).join("\u0001");
  useLayoutEffect(() => {
    if (signature === "") return;
    const stable = signature.split("\u0001").map((each) => {
      const [key = "", label = ""] = each.split("\u0000");
      const run = (event: KeyboardEvent) =>
        latest.current.find((binding) => binding.key === key)?.run(event);
      return { key, label, run };
    });
    return keyRegistry.add({ title, bindings: stable });
  }, [title, signature]);
}
