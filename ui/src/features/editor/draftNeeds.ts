import type { ApiError } from "@/api/errors";
import type { Base, DraftState, LocalRecord, ServerDraft } from "./draftTypes";

/** Whether the server holds the text, as a draft or as the version that is edited. */
export function isKept({ text, draft, base }: DraftState): boolean {
  return text === (draft === null ? base.text : draft.text);
}

/** Whether the text differs from the version that is edited. */
export function hasChanges({ text, base }: DraftState): boolean {
  return base.version === null || (base.text !== null && text !== base.text);
}

/** Whether the text must be sent to the server now. */
export function needsRequest(state: DraftState): boolean {
  if (state.request !== null || state.conflict?.source === "draft") return false;
  if (state.wantsSave && state.conflict === null) return true;
  return !isKept(state) && state.text !== state.refused?.text;
}

/** Why the text of the editor was not saved. Null: it was never refused. */
export function saveErrorOf({ text, notSaved }: DraftState): ApiError | null {
  return notSaved?.text === text ? notSaved.error : null;
}

/** The version whose text the state needs. */
export function neededVersion({ base, conflict }: DraftState): number | null {
  if (conflict?.base === null) return conflict.ancestor;
  return base.text === null ? base.version : null;
}

/** What IndexedDB must hold for the text to survive the end of the tab. Null: the server holds it. */
export function recordOf(state: DraftState): Omit<LocalRecord, "tab"> | null {
  if (isKept(state)) return null;
  const { text, draft, base, request } = state;
  const kept = draft && { text: draft.text, lineage: draft.lineage };
  return { text, draft: kept, baseVersion: base.version, sent: request?.text ?? null };
}

/** The text that a record and the text that an editor opens come from, or the version that has it. */
export function ancestorOf(
  record: LocalRecord,
  opened: { draft: ServerDraft | null; base: Base },
): { text: string } | { version: number | null } {
  const text = opened.draft?.text ?? opened.base.text;
  // The answer to the last request was lost.
  if (record.sent !== null && record.sent === text) return { text };
  if (record.draft !== null && record.draft.lineage === opened.draft?.lineage) {
    return { text: record.draft.text };
  }
  return { version: older(record.baseVersion, opened.base.version) };
}

export function newer(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.max(one, other);
}

export function older(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : Math.min(one, other);
}
