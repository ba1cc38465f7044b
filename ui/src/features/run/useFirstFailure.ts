import { useEffect, useState } from "react";
import type { Row } from "./model/rows";
import { firstFailure } from "./model/tree";
import { useRunSearch } from "./search";
import { useHead, useLoading, useStore } from "./useRun";

/**
 * Select the first failed step of a run that had failed before it was opened, unless the address selects something.
 *
 * @returns whether the step is not known yet.
 */
export function useFirstFailure(onFound: (row: Row) => void): boolean {
  const store = useStore();
  const head = useHead();
  const { isComplete, failure } = useLoading();
  const [{ step, panel }] = useRunSearch();
  const [isDone, setDone] = useState(false);
  const isChosen = step !== undefined || panel !== undefined;
  // An event has a number. What a person watches does not move.
  const hadFailed = head?.status === "failed" && head.seq === 0;
  const isLooking = hadFailed && !isDone && !isChosen && failure === null;
  useEffect(() => {
    if (isChosen) setDone(true);
    if (!isLooking || !isComplete) return;
    setDone(true);
    const row = store.row(firstFailure(store.tree, (key) => store.row(key)) ?? "");
    if (row !== undefined) onFound(row);
  });
  return isLooking;
}
