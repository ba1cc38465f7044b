import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { LocalRecord } from "./draftTypes";

type Stored = LocalRecord & { user: string; pipeline: string };

interface Schema extends DBSchema {
  drafts: { key: [user: string, pipeline: string, tab: string]; value: Stored };
}

/** Texts that only this browser has, in IndexedDB, by person, pipeline and tab. */
export class DraftStorage {
  readonly #user: string;
  readonly #tab: string;
  #database: Promise<IDBPDatabase<Schema>> | null = null;

  constructor(user: string, tab: string) {
    this.#user = user;
    this.#tab = tab;
  }

  /** Store the text of this tab, or null if the server has it, and delete those of tabs that it contains. */
  async write(
    pipeline: string,
    record: Omit<LocalRecord, "tab"> | null,
    absorbed: readonly string[],
  ): Promise<void> {
    const database = await this.#open();
    const { store, done } = database.transaction("drafts", "readwrite");
    const key = (tab: string): [string, string, string] => [this.#user, pipeline, tab];
    if (record === null) void store.delete(key(this.#tab));
    else void store.put({ ...record, user: this.#user, pipeline, tab: this.#tab });
    for (const tab of absorbed) void store.delete(key(tab));
    await done;
  }

  /** The texts of all tabs for a pipeline. */
  async read(pipeline: string): Promise<LocalRecord[]> {
    const database = await this.#open();
    const all = IDBKeyRange.bound([this.#user, pipeline, ""], [this.#user, pipeline, []]);
    return database.getAll("drafts", all);
  }

  #open(): Promise<IDBPDatabase<Schema>> {
    this.#database ??= openDB<Schema>("stepiq", 1, {
      upgrade: (database) =>
        void database.createObjectStore("drafts", { keyPath: ["user", "pipeline", "tab"] }),
      // The browser has closed the database, such as to free space.
      terminated: () => {
        this.#database = null;
      },
    });
    return this.#database;
  }
}
