import { Tabs } from "@mantine/core";
import { lazy, Suspense } from "react";
import { isFinal, type Run } from "@/api/run";
import { TableSkeleton } from "@/ui/feedback/Skeletons";
import { ValueView } from "../inspector/ValueView";
import { PANELS, type Panel, useRunSearch } from "../search";
import { strings } from "../strings";
import classes from "./RunPanels.module.css";

const Deliveries = lazy(() => import("./Deliveries"));
const Events = lazy(() => import("./Events"));
const RunGraph = lazy(() => import("./RunGraph"));

/** The data of the run as a whole, below its steps. */
export default function RunPanels({ run }: { run: Run }) {
  const [search, setSearch] = useRunSearch();
  const panel = search.panel ?? "output";
  return (
    <Tabs
      className={classes.panels}
      value={panel}
      onChange={(next) => setSearch({ panel: PANELS.find((each) => each === next) })}
      keepMounted={false}
    >
      <Tabs.List aria-label={strings.panels.label} className={classes.tabs}>
        {PANELS.map((each) => (
          <Tabs.Tab key={each} value={each}>
            {strings.panels[each]}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      <Tabs.Panel value={panel} className={classes.panel}>
        <Suspense fallback={<TableSkeleton columns={4} rows={3} />}>
          <Content run={run} panel={panel} />
        </Suspense>
      </Tabs.Panel>
    </Tabs>
  );
}

function Content({ run, panel }: { run: Run; panel: Panel }) {
  switch (panel) {
    case "output":
      return <Output run={run} />;
    case "input":
      return <ValueView value={run.input_data} label={strings.panels.input} />;
    case "deliveries":
      return <Deliveries run={run} />;
    case "events":
      return <Events run={run} />;
    case "graph":
      return <RunGraph run={run} />;
  }
}

function Output({ run }: { run: Run }) {
  if (run.output !== null) return <ValueView value={run.output} label={strings.panels.output} />;
  const text = isFinal(run.status) ? strings.panels.noOutput : strings.panels.noOutputYet;
  return <p className={classes.note}>{text}</p>;
}
