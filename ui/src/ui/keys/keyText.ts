const isApple = /Mac|iPhone|iPad/.test(globalThis.navigator?.userAgent ?? "");

/** A key of a binding as people know it: "Ctrl K", "⌘ K", "j". */
export function keyText(key: string): string {
  const named = key.replace("mod+", isApple ? "⌘ " : "Ctrl ");
  return named.replace(/ (\w)$/, (end) => end.toUpperCase());
}
