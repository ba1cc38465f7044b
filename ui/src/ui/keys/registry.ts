/** Keyboard shortcuts of the screens that are open. The key help lists them. */

export type KeyBinding = {
  /** A key as in KeyboardEvent.key ("j", "Enter", "?", "["), or "mod+" and a key: Ctrl, or Command on Apple devices. */
  key: string;
  /** What the key does, in the imperative: "Open the run". */
  label: string;
  run: (event: KeyboardEvent) => void;
};

export type KeyGroup = { title: string; bindings: readonly KeyBinding[] };

type PressedKey = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey">;

export class KeyRegistry {
  #groups: readonly KeyGroup[] = [];
  readonly #listeners = new Set<() => void>();

  readonly groups = (): readonly KeyGroup[] => this.#groups;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  add(group: KeyGroup): () => void {
    this.#change([...this.#groups, group]);
    return () => this.#change(this.#groups.filter((each) => each !== group));
  }

  /** The binding of a pressed key. The group that was added last wins. Plain keys have no effect while a person types. */
  find(pressed: PressedKey, isTyping: boolean): KeyBinding | undefined {
    const hasModifier = pressed.ctrlKey || pressed.metaKey;
    if (pressed.altKey || (isTyping && !hasModifier)) return undefined;
    const key = hasModifier ? `mod+${pressed.key.toLowerCase()}` : pressed.key;
    for (const group of [...this.#groups].reverse()) {
      const binding = group.bindings.find((each) => each.key === key);
      if (binding !== undefined) return binding;
    }
    return undefined;
  }

  #change(groups: readonly KeyGroup[]): void {
    this.#groups = groups;
    for (const listener of this.#listeners) listener();
  }
}

/** Keys that move the selection. Only these repeat while they are held: others would act on an entry before it was read. */
const MOVEMENT: readonly string[] = ["j", "k", "[", "]"];

export const keyRegistry = new KeyRegistry();

/** Whether plain keys belong to the element: it takes text, or is inside an open dialog or menu. */
export function takesKeys(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.closest("[role=dialog], [role=menu], [role=listbox]"))
    return true;
  if (target instanceof HTMLInputElement)
    return !["checkbox", "radio", "button"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

export function listenForKeys(registry: KeyRegistry): () => void {
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.isComposing) return;
    const binding = registry.find(event, takesKeys(event.target));
    if (binding === undefined) return;
    // Enter and Space on a focused link or button belong to it.
    const isOnControl =
      event.target instanceof HTMLElement && event.target.closest("a, button, summary");
    if (isOnControl && (event.key === "Enter" || event.key === " ")) return;
    event.preventDefault();
    if (!event.repeat || MOVEMENT.includes(binding.key)) binding.run(event);
  };
  document.addEventListener("keydown", onKeyDown);
  return () => document.removeEventListener("keydown", onKeyDown);
}
