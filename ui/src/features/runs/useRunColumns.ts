import { useLocalStorage } from "@mantine/hooks";
import { type ColumnId, RUN_COLUMNS } from "./runColumns";

const ALL = RUN_COLUMNS.map(({ id }) => id);

/** The columns that this browser shows. The choice is kept as the columns that are hidden, so new ones appear. */
export function useRunColumns() {
  const [hidden, setHidden] = useLocalStorage<ColumnId[]>({
    key: "stepiq-runs-hidden-columns",
    defaultValue: [],
    getInitialValueInEffect: false,
  });
  const columns = RUN_COLUMNS.filter(({ id }) => id === "pipeline" || !hidden.includes(id));
  const setShown = (shown: readonly string[]) => setHidden(ALL.filter((id) => !shown.includes(id)));
  return { columns, setShown };
}
