import { asApiError } from "@/api/errors";
import { getSteps, type StepPage } from "@/api/run";
import type { RunStore } from "./runStore";

const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 5000;

/**
 * Read all steps of a run into the store. What fails only for a time is repeated.
 *
 * @param readFirst reads the first page, which may be on its way already.
 * @param onFirst gets the number of the last event that the first page includes.
 */
export async function readSteps(
  runId: string,
  store: RunStore,
  signal: AbortSignal,
  readFirst: () => Promise<StepPage>,
  onFirst: (lastSeq: number) => void,
): Promise<void> {
  try {
    const first = await persistently(signal, readFirst);
    if (signal.aborted) return;
    store.addPage(first);
    onFirst(first.last_seq);
    let cursor = first.next_cursor;
    while (cursor !== null) {
      const from = cursor;
      const page = await persistently(signal, () => getSteps(runId, from, signal));
      store.addPage(page);
      cursor = page.next_cursor;
    }
  } catch (error) {
    if (!signal.aborted) store.setLoading({ failure: error });
  }
}

async function persistently<T>(signal: AbortSignal, act: () => Promise<T>): Promise<T> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
    try {
      return await act();
    } catch (error) {
      const problem = asApiError(error);
      if (signal.aborted || !problem.isTransient) throw error;
      await pause((problem.retryAfterSeconds ?? 0) * 1000 || pauseMs, signal);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
