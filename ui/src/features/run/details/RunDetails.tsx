import { lazy, Suspense } from "react";
import { isFinal, type Run } from "@/api/run";
import { TableSkeleton } from "@/ui/feedback/Skeletons";
import { Note } from "../inspector/parts";
import { ValueView } from "../inspector/ValueView";
import { PANELS, type Panel, useRunSearch } from "../search";
import { strings as runStrings } from "../strings";
import { Details } from "./Details";
import classes from "./Details.module.css";
import { RunFailure } from "./RunFailure";
import { strings } from "./strings";

const Deliveries = lazy(() => import("../panels/Deliveries"));
const Events = lazy(() => import("../panels/Events"));
const RunGraph = lazy(() => import("../panels/RunGraph"));

const texts = runStrings.panels;

type Props = {
  run: Run;
  /** Null: there is nothing to return to. */
  onClose: (() => void) | null;
  onSelect: (key: string) => void;
};

/** The data of the run as a whole. */
export default function RunDetails({ run, onClose, onSelect }: Props) {
  const [search, setSearch] = useRunSearch();
  const panel = search.panel ?? "output";
  return (
    <Details
      label={strings.run}
      head={<h2 className={classes.title}>{strings.run}</h2>}
      onClose={onClose}
      tabs={PANELS}
      tab={panel}
      texts={texts}
      onTab={(next) => setSearch({ panel: next })}
    >
      <Suspense fallback={<TableSkeleton columns={4} rows={3} />}>
        <Content run={run} panel={panel} onSelect={onSelect} />
      </Suspense>
    </Details>
  );
}

type ContentProps = Pick<Props, "run" | "onSelect"> & { panel: Panel };

function Content({ run, panel, onSelect }: ContentProps) {
  switch (panel) {
    case "output":
      return <Output run={run} onSelect={onSelect} />;
    case "input":
      return <ValueView value={run.input_data} label={texts.input} />;
    case "deliveries":
      return <Deliveries run={run} />;
    case "events":
      return <Events run={run} />;
    case "graph":
      return <RunGraph run={run} />;
  }
}

function Output({ run, onSelect }: Pick<Props, "run" | "onSelect">) {
  if (run.error !== null) return <RunFailure onSelect={onSelect} />;
  if (run.output !== null) return <ValueView value={run.output} label={texts.output} />;
  return <Note>{isFinal(run.status) ? texts.noOutput : texts.noOutputYet}</Note>;
}
