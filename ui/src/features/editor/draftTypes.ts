import type { ApiError } from "@/api/errors";

/** A draft of the server. `lineage` is the same until the draft is deleted. */
export type ServerDraft = {
  text: string;
  revision: string;
  lineage: string;
  baseVersion: number | null;
};

/** A saved version. Its text is null until it is loaded. Version null: the pipeline is not saved yet. */
export type Base = { version: number | null; text: string | null };

/** The draft of another member for the same pipeline. */
export type OtherDraft = { name: string; baseVersion: number | null; updatedAt: string };

/** A text that only this browser has, from this tab or from one that has ended. */
export type LocalRecord = {
  tab: string;
  text: string;
  /** The draft that the server held when the typing began, if it held one. */
  draft: { text: string; lineage: string } | null;
  baseVersion: number | null;
  /** A text that was sent, without an answer. */
  sent: string | null;
};

/** A text of an ended tab, with the text that it and the opened text come from. */
export type Orphan = { tab: string; text: string; ancestor: string };

/** A request whose result is not known. It is repeated unchanged until the result is known. */
export type DraftRequest = {
  kind: "put" | "save";
  text: string;
  revision: string | null;
  baseVersion: number | null;
};

/**
 * Two texts with changes of the same lines. `mine` is the text of the editor.
 *
 * `base` is the text that both come from. Null: it is that of the version `ancestor`, which is not loaded yet.
 */
export type Conflict = { base: string | null; ancestor: number | null; theirs: string } & (
  | { source: "draft"; draft: ServerDraft }
  | { source: "version"; version: number; author: string | null }
  | { source: "tab"; tab: string }
);

export type DraftState = {
  /** The text of the editor. */
  text: string;
  /** The draft that the server was last known to hold. */
  draft: ServerDraft | null;
  /** The version that is edited. */
  base: Base;
  request: DraftRequest | null;
  wantsSave: boolean;
  conflict: Conflict | null;
  /** Texts of ended tabs that are not merged yet. */
  orphans: readonly Orphan[];
  /** Tabs whose texts are merged into `text`. */
  absorbed: readonly string[];
  others: readonly OtherDraft[];
  /** The newest version, as far as known. */
  latestVersion: number | null;
  /** The version that this tab has saved last. */
  savedVersion: number | null;
  /** A text that the server refused as a draft. It is not sent again. */
  refused: { text: string; error: ApiError } | null;
  /** A text that the server refused as a version. */
  notSaved: { text: string; error: ApiError } | null;
  /** Why the last request had no result. It is repeated. */
  unreachable: ApiError | null;
};

export type DraftEvent =
  | { type: "edited"; text: string }
  | { type: "flush" }
  | { type: "save" }
  | { type: "kept"; draft: ServerDraft; others: readonly OtherDraft[]; latest: number | null }
  | { type: "othersRead"; others: readonly OtherDraft[] }
  | { type: "draftChanged"; current: ServerDraft | null }
  | { type: "saved"; version: number }
  | { type: "versionChanged"; version: number; text: string; author: string | null }
  | { type: "refused"; error: ApiError }
  | { type: "noAnswer"; error: ApiError }
  | { type: "resolved"; text: string }
  /** The text of a version that the state asked for. Empty if it was deleted. */
  | { type: "versionLoaded"; version: number; text: string }
  /** A person wants to continue on a newer version. */
  | { type: "rebase"; version: number; text: string }
  | { type: "discarded" }
  /** Another tab has kept a draft that replaced the one with the revision `previous`. */
  | { type: "otherTabKept"; previous: string | null; draft: ServerDraft }
  /** Another tab has saved a version that replaced `replaced`, and its draft with `revision`. */
  | {
      type: "otherTabSaved";
      version: number;
      text: string;
      replaced: number | null;
      revision: string | null;
    }
  | { type: "otherTabDiscarded" };
