import { readChoice } from "@/ui/table/filters";
import { LANGUAGES, type Language, TRIGGERS, type Trigger } from "./snippets";

/** Search parameters of the triggers. Default: the API, with curl. */
export type TriggersSearch = { trigger?: Trigger; language?: Language };

export function readTriggersSearch(search: Record<string, unknown>): TriggersSearch {
  return {
    trigger: readChoice(search.trigger, TRIGGERS),
    language: readChoice(search.language, LANGUAGES),
  };
}
