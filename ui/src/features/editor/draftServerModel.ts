import type { DraftEvent, DraftRequest, ServerDraft } from "./draftTypes";

const START = ["name: Pipeline", "steps:", "  - id: one", "    prompt: Hello", ""].join("\n");

/** The part of the server that the editor depends on, by its contract. */
export class ServerModel {
  version: number | null;
  text: string;
  texts = new Map<number, string>();
  draft: ServerDraft | null = null;
  #revisions = 0;

  constructor(isNew: boolean) {
    this.version = isNew ? null : 1;
    this.text = isNew ? "" : START;
    if (isNew) this.write(START, null);
    else this.texts.set(1, START);
  }

  write(text: string, baseVersion: number | null): ServerDraft {
    this.#revisions += 1;
    const revision = `r${this.#revisions}`;
    this.draft = { text, revision, lineage: this.draft?.lineage ?? revision, baseVersion };
    return this.draft;
  }

  save(text: string): number {
    this.version = (this.version ?? 0) + 1;
    this.text = text;
    this.texts.set(this.version, text);
    return this.version;
  }

  answer(request: DraftRequest): DraftEvent {
    if (request.kind === "put") {
      if ((this.draft?.revision ?? null) !== request.revision) {
        return { type: "draftChanged", current: this.draft };
      }
      const draft = this.write(request.text, request.baseVersion);
      return { type: "kept", draft, others: [], latest: this.version };
    }
    if (this.version !== null && this.version !== request.baseVersion) {
      return { type: "versionChanged", version: this.version, text: this.text, author: null };
    }
    const version = this.save(request.text);
    const deletes = request.revision ?? (this.draft?.text === request.text && this.draft.revision);
    if (this.draft?.revision === deletes) this.draft = null;
    return { type: "saved", version };
  }
}
