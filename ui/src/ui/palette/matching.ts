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

/** Whether the letters of a word occur in a text in this order. Two letters would occur in almost every text. */
function isFuzzy(text: string, word: string): boolean {
  if (word.length < 3) return text.includes(word);
  let from = 0;
  for (const letter of word) {
    from = text.indexOf(letter, from) + 1;
    if (from === 0) return false;
  }
  return true;
}

/** The items that match each word of the text: those in which a word begins with it, those that contain it, then those with its letters in order. Without a text, those that were used last come first. */
export function matching(
  items: readonly PaletteItem[],
  text: string,
  recent: readonly string[] = [],
): PaletteItem[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  const first = words[0];
  const byUse = (item: PaletteItem) => (recent.indexOf(item.id) + 1 || recent.length + 1) - 1;
  const sorted = items.toSorted((one, other) => byUse(one) - byUse(other));
  if (first === undefined) return sorted;
  const rank = ({ label, detail, group }: PaletteItem) => {
    const all = `${label} ${detail ?? ""} ${group}`.toLowerCase();
    if (!words.every((word) => all.includes(word))) {
      return words.every((word) => isFuzzy(label.toLowerCase(), word)) ? 2 : null;
    }
    const starts = label.toLowerCase().split(/\s+/);
    return starts.some((word) => word.startsWith(first)) ? 0 : 1;
  };
  const ranked = sorted.map((item) => ({ item, rank: rank(item) }));
  return [0, 1, 2].flatMap((wanted) =>
    ranked.filter((each) => each.rank === wanted).map(({ item }) => item),
  );
}
