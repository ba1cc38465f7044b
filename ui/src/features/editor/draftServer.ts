import * as api from "@/api/drafts";
import { ApiError, asApiError } from "@/api/errors";
import type { DraftEvent, DraftRequest, OtherDraft, ServerDraft } from "./draftTypes";

export type OpenedDraft = {
  draft: ServerDraft | null;
  others: OtherDraft[];
  latestVersion: number | null;
  /** The newest version. Null if the person has a draft, or if no version is saved. */
  current: { version: number; text: string } | null;
};

function serverDraft(view: api.DraftView): ServerDraft {
  const { text, revision, created_at: lineage, base_version: baseVersion } = view;
  return { text, revision, lineage, baseVersion };
}

function othersOf(views: api.DraftView["others"]): OtherDraft[] {
  return views.map(({ name, base_version: baseVersion, updated_at: updatedAt }) => ({
    name,
    baseVersion,
    updatedAt,
  }));
}

/** The requests of a draft. */
export const draftServer = {
  async open(id: string): Promise<OpenedDraft> {
    const view = await api.findDraft(id);
    if (view !== null) {
      const latestVersion = view.current_version;
      const others = othersOf(view.others);
      return { draft: serverDraft(view), others, latestVersion, current: null };
    }
    const [current, others] = await Promise.all([api.readCurrentText(id), this.others(id)]);
    return { draft: null, others: others ?? [], latestVersion: current.version, current };
  },

  /** Drafts of other members, or null if they cannot be read now. The answer to each change names them, too. */
  async others(id: string): Promise<OtherDraft[] | null> {
    return api.readOtherDrafts(id).then(othersOf, () => null);
  },

  /** The text of a version, or an empty text if it was deleted. */
  async versionText(id: string, version: number | null): Promise<string> {
    if (version === null) return "";
    try {
      return await api.readVersionText(id, version);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return "";
      throw error;
    }
  },

  /** Send a request, and return its result as an event. */
  async send(id: string, request: DraftRequest): Promise<DraftEvent> {
    const { kind, text, revision, baseVersion } = request;
    try {
      if (kind === "save") {
        const saved = await api.saveVersion(id, text, baseVersion, revision);
        return { type: "saved", version: saved.version };
      }
      const view = await api.writeDraft(id, { text, revision, base_version: baseVersion });
      const latest = view.current_version;
      return { type: "kept", draft: serverDraft(view), others: othersOf(view.others), latest };
    } catch (error) {
      return failed(asApiError(error));
    }
  },

  async discard(id: string, revision: string): Promise<void> {
    try {
      await api.deleteDraft(id, revision);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "draft_not_found") throw error;
    }
  },
};

function failed(error: ApiError): DraftEvent {
  if (error.code === "draft_changed") {
    const current = error.current as api.DraftView | null;
    return { type: "draftChanged", current: current === null ? null : serverDraft(current) };
  }
  if (error.code === "precondition_failed" && error.current !== null) {
    const { version, text } = error.current as api.CurrentVersion;
    return { type: "versionChanged", version, text, author: null };
  }
  return { type: error.isTransient ? "noAnswer" : "refused", error };
}

export type DraftServer = typeof draftServer;
