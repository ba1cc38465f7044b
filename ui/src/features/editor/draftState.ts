import { mergeTexts } from "./draftMerge";
import { isKept, needsRequest, newer, older } from "./draftNeeds";
import type {
  Base,
  Conflict,
  DraftEvent,
  DraftState,
  Orphan,
  OtherDraft,
  ServerDraft,
} from "./draftTypes";

type Opened = {
  draft: ServerDraft | null;
  base: Base;
  latestVersion: number | null;
  others?: readonly OtherDraft[];
  orphans?: readonly Orphan[];
};

/** The state of an editor that opens: the draft of the server or the version, with the texts of ended tabs. */
export function openDraft({ draft, base, latestVersion, others, orphans }: Opened): DraftState {
  return absorb({
    text: draft?.text ?? base.text ?? "",
    draft,
    base,
    request: null,
    wantsSave: false,
    conflict: null,
    orphans: orphans ?? [],
    absorbed: [],
    others: others ?? [],
    latestVersion,
    savedVersion: null,
    refused: null,
    notSaved: null,
    unreachable: null,
  });
}

/** The next state. It performs nothing: the session stores records and sends requests as the state demands. */
export function reduceDraft(state: DraftState, event: DraftEvent): DraftState {
  switch (event.type) {
    case "edited":
      return { ...state, text: event.text };
    case "flush":
      return startRequest(state);
    case "save":
      return startRequest({ ...state, wantsSave: true, notSaved: null });
    case "kept":
      return afterAnswer({
        ...state,
        draft: event.draft,
        others: event.others,
        latestVersion: newer(state.latestVersion, event.latest),
      });
    case "othersRead":
      return { ...state, others: event.others };
    case "draftChanged":
      return afterAnswer(
        event.current === null ? { ...state, draft: null } : takeDraft(state, event.current),
      );
    case "saved":
      return afterAnswer(saved(state, event.version, state.request?.text ?? state.text));
    case "versionChanged":
      return afterAnswer(versionChanged(state, event));
    case "refused":
      return refused(state, event);
    case "noAnswer":
      return { ...state, unreachable: event.error };
    case "resolved":
      return resolved(state, event.text);
    case "versionLoaded":
      return versionLoaded(state, event.version, event.text);
    case "rebase":
      return versionChanged(state, { ...event, author: null });
    case "discarded":
      return discarded(state);
    case "otherTabDiscarded":
      return isKept(state) && state.request === null ? discarded(state) : state;
    case "otherTabKept":
      return isIdle(state) && event.previous === (state.draft?.revision ?? null)
        ? takeDraft(state, event.draft)
        : state;
    case "otherTabSaved":
      return isIdle(state) ? otherTabSaved(state, event) : state;
  }
}

/** Messages of other tabs are only used while nothing else goes on. Otherwise, the next request finds out. */
function isIdle({ request, conflict }: DraftState): boolean {
  return request === null && conflict === null;
}

function startRequest(state: DraftState): DraftState {
  if (!needsRequest(state)) return state;
  const kind = state.wantsSave && state.conflict === null ? "save" : "put";
  const { text, draft, base } = state;
  const revision = draft?.revision ?? null;
  return { ...state, request: { kind, text, revision, baseVersion: base.version } };
}

/** After the result of a request is known. A wish to save that waited for it goes on. */
function afterAnswer(state: DraftState): DraftState {
  const next = { ...state, request: null, unreachable: null };
  return next.wantsSave ? startRequest(next) : next;
}

/** Continue on a draft that another tab or device has written. */
function takeDraft(state: DraftState, draft: ServerDraft): DraftState {
  const ancestor = older(state.base.version, draft.baseVersion);
  const base = commonText(state, draft, ancestor);
  const next = { ...state, wantsSave: state.wantsSave && base !== null };
  const conflict: Conflict = { source: "draft", base, ancestor, theirs: draft.text, draft };
  return mergeOrAsk({ ...next, conflict });
}

/** The text that the editor's text and a draft come from. Null: that of the version `ancestor`. */
function commonText(state: DraftState, draft: ServerDraft, ancestor: number | null) {
  // The answer to an earlier attempt was lost.
  if (draft.text === state.request?.text) return draft.text;
  if (draft.lineage === state.draft?.lineage) return state.draft.text;
  if (ancestor === null) return "";
  return ancestor === state.base.version ? state.base.text : null;
}

/** Resolve a conflict with a draft if no line was changed by both. */
function mergeOrAsk(state: DraftState): DraftState {
  const { conflict, text } = state;
  if (conflict === null || conflict.base === null) return state;
  const merged = mergeTexts(conflict.base, text, conflict.theirs);
  return merged === null ? { ...state, wantsSave: false } : resolved(state, merged);
}

function saved(state: DraftState, version: number, text: string): DraftState {
  return {
    ...state,
    base: { version, text },
    savedVersion: version,
    draft: null,
    latestVersion: newer(state.latestVersion, version),
    wantsSave: false,
    notSaved: null,
    conflict: state.conflict?.source === "version" ? null : state.conflict,
  };
}

function versionChanged(
  state: DraftState,
  current: { version: number; text: string; author: string | null },
): DraftState {
  const { version, text: theirs, author } = current;
  // The answer to an earlier attempt was lost, or another member has saved the same text.
  if (theirs === state.request?.text) return saved(state, version, theirs);
  const { text: base, version: ancestor } = state.base;
  return {
    ...state,
    conflict: { source: "version", base, ancestor, theirs, version, author },
    latestVersion: newer(state.latestVersion, version),
    wantsSave: false,
  };
}

function refused(state: DraftState, { error }: DraftEvent & { type: "refused" }): DraftState {
  const { request } = state;
  if (request === null) return state;
  const next = { ...state, request: null, unreachable: null };
  const reason = { text: request.text, error };
  return request.kind === "save"
    ? { ...next, wantsSave: false, notSaved: reason }
    : { ...next, refused: reason };
}

function resolved(state: DraftState, text: string): DraftState {
  const { conflict } = state;
  if (conflict === null) return state;
  const next = { ...state, text, conflict: null };
  switch (conflict.source) {
    case "draft":
      return absorb(onDraft(next, conflict.draft));
    case "version":
      return absorb({ ...next, base: { version: conflict.version, text: conflict.theirs } });
    case "tab":
      return absorb({ ...next, absorbed: [...state.absorbed, conflict.tab] });
  }
}

function onDraft(state: DraftState, draft: ServerDraft): DraftState {
  const { baseVersion: version } = draft;
  const isNewer = version !== null && version > (state.base.version ?? 0);
  return {
    ...state,
    draft,
    base: isNewer ? { version, text: null } : state.base,
    latestVersion: newer(state.latestVersion, version),
  };
}

function versionLoaded(state: DraftState, version: number, text: string): DraftState {
  const { base, conflict } = state;
  const isBase = base.version === version && base.text === null;
  const next = isBase ? { ...state, base: { version, text } } : state;
  if (conflict === null || conflict.base !== null || conflict.ancestor !== version) return next;
  const known = { ...next, conflict: { ...conflict, base: text } };
  return conflict.source === "draft" ? mergeOrAsk(known) : known;
}

/** After the draft of the server was deleted on request. */
function discarded(state: DraftState): DraftState {
  return { ...state, text: state.base.text ?? "", draft: null, conflict: null };
}

function otherTabSaved(
  state: DraftState,
  { version, text, replaced, revision }: DraftEvent & { type: "otherTabSaved" },
): DraftState {
  const { base, draft } = state;
  if (replaced !== base.version || base.text === null) return state;
  const merged = mergeTexts(base.text, state.text, text);
  if (merged === null) return state;
  return {
    ...state,
    text: merged,
    base: { version, text },
    draft: revision === draft?.revision ? null : draft,
    latestVersion: newer(state.latestVersion, version),
  };
}

/** Merge the texts of ended tabs, up to the first that needs a decision. */
function absorb(state: DraftState): DraftState {
  const [orphan, ...orphans] = state.orphans;
  if (orphan === undefined || state.conflict !== null) return state;
  const { tab, text: theirs, ancestor: base } = orphan;
  const merged = mergeTexts(base, state.text, theirs);
  if (merged !== null) {
    return absorb({ ...state, text: merged, orphans, absorbed: [...state.absorbed, tab] });
  }
  return { ...state, orphans, conflict: { source: "tab", base, ancestor: null, theirs, tab } };
}
