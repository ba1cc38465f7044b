import { useDeferredValue, useMemo } from "react";
import { readDocument } from "./language/complete";
import { placeAt } from "./language/yamlPath";

/** The line and column of the cursor, from 1. */
export type Cursor = { line: number; column: number };

export type CursorPlace = {
  /** The document, as far as it can be read. */
  document: unknown;
  /** The path of what contains the cursor. */
  path: readonly (string | number)[];
};

/** What the cursor is in. It follows the typing when the browser has time. */
export function useCursorPlace(text: string, { line, column }: Cursor): CursorPlace {
  const deferred = useDeferredValue(text);
  const document = useMemo(() => readDocument(deferred), [deferred]);
  const path = useMemo(() => {
    const lines = deferred.split("\n");
    // Inside a block of text, the field that contains it counts.
    for (let index = line - 1; index >= 0; index--) {
      const end = index === line - 1 ? column - 1 : (lines[index]?.length ?? 0);
      const place = placeAt(lines, index, Math.max(end, indentOf(lines[index])));
      if (place !== null) return place.key === null ? place.path : [...place.path, place.key];
    }
    return [];
  }, [deferred, line, column]);
  return { document, path };
}

function indentOf(line: string | undefined): number {
  return line === undefined || line.trim() === "" ? 0 : line.length;
}
