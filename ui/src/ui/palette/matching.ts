export type PaletteItem = {
  id: string;
  group: "Pages" | "Actions" | "Pipelines" | "Runs";
  label: string;
  /** Beside the label, such as a slug. */
  detail?: string;
  run: () => void;
};

const RUN_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The run whose id or address is the text, or null. */
export function runIdIn(text: string): string | null {
  const last =
    text
      .trim()
      .replace(/[?#].*$/, "")
      .split("/")
      .at(-1) ?? "";
  return RUN_ID.test(last) ? last.toLowerCase() : null;
}

/** The items that contain each word of the text. Those in which a word begins with the text come first. */
export function matching(items: readonly PaletteItem[], text: string): PaletteItem[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  const found = items.filter(({ label, detail, group }) => {
    const all = `${label} ${detail ?? ""} ${group}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
  const first = words[0];
  if (first === undefined) return found;
  const isEarly = ({ label }: PaletteItem) =>
    label
      .toLowerCase()
      .split(/\s+/)
      .some((word) => word.startsWith(first));
  return [...found.filter(isEarly), ...found.filter((item) => !isEarly(item))];
}
