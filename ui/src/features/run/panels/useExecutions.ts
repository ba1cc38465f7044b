import { useEffect, useState } from "react";
import { executionsOf } from "../model/stepStates";
import { useStore } from "../useRun";

/** All rows are read for each change, so changes are gathered this long. */
const PAUSE_MS = 200;

/** The executions of each step of the run, live. */
export function useExecutions() {
  const store = useStore();
  const [executions, setExecutions] = useState(() => executionsOf(store.rows));
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    const read = () => {
      timer = null;
      setExecutions(executionsOf(store.rows));
    };
    const onChange = () => {
      timer ??= setTimeout(read, PAUSE_MS);
    };
    const stops = ["seq", "tree", "loading"].map((topic) => store.subscribe(topic, onChange));
    onChange();
    return () => {
      for (const stop of stops) stop();
      if (timer !== null) clearTimeout(timer);
    };
  }, [store]);
  return executions;
}
