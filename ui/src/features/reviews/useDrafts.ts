import { useState } from "react";
import type { ReviewKey } from "@/api/reviews";
import { readTyped, writeTyped } from "@/api/typed";
import { type Draft, EMPTY_DRAFT } from "./draft";
import { idOf } from "./search";

/** What a person has typed for reviews. The tab keeps it, also while it shows another page. */
export function useDrafts() {
  const [drafts, setDrafts] = useState<Readonly<Record<string, Draft>>>({});
  return {
    draftOf: (key: ReviewKey): Draft => drafts[idOf(key)] ?? kept(key) ?? EMPTY_DRAFT,
    setDraft: (key: ReviewKey, draft: Draft) => {
      setDrafts((known) => ({ ...known, [idOf(key)]: draft }));
      writeTyped(nameOf(key), JSON.stringify(draft));
    },
    /** The review is decided. */
    forget: (key: ReviewKey) => writeTyped(nameOf(key), null),
  };
}

function nameOf(key: ReviewKey): string {
  return `review-${idOf(key)}`;
}

function kept(key: ReviewKey): Draft | null {
  return JSON.parse(readTyped(nameOf(key)) ?? "null") as Draft | null;
}
