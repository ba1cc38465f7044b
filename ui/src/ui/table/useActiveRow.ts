import { type RefObject, useEffect, useState } from "react";
import { useKeys } from "../keys/useKeys";

type Options = {
  ids: readonly string[];
  label: string;
  hasKeys: boolean;
  onOpen: (index: number) => void;
  scrollTo: (index: number) => void;
  scroller: RefObject<HTMLElement | null>;
};

/** The one row of a table that Tab reaches. The arrows, j and k move it. */
export function useActiveRow({ ids, label, hasKeys, onOpen, scrollTo, scroller }: Options) {
  const [chosen, setId] = useState<string | null>(null);
  const [focusedId, setFocusedId] = useState<string | null>(null);
  const index = chosen === null ? -1 : ids.indexOf(chosen);
  const id = index === -1 ? (ids[0] ?? null) : chosen;

  // A row outside the screen exists only after the scrolling.
  useEffect(() => {
    if (focusedId === null) return;
    const row = scroller.current?.querySelector<HTMLElement>(
      `[data-row="${CSS.escape(focusedId)}"]`,
    );
    if (row) {
      row.focus();
      setFocusedId(null);
    }
  });

  const move = (by: 1 | -1) => {
    const target = index === -1 ? 0 : Math.min(Math.max(index + by, 0), ids.length - 1);
    const next = ids[target];
    if (next === undefined) return;
    setId(next);
    scrollTo(target);
    setFocusedId(next);
  };

  useKeys(
    label,
    hasKeys
      ? [
          { key: "j", label: "Next row", run: () => move(1) },
          { key: "k", label: "Previous row", run: () => move(-1) },
          { key: "Enter", label: "Open the row", run: () => index !== -1 && onOpen(index) },
        ]
      : [],
  );

  return { id, setId, move };
}
