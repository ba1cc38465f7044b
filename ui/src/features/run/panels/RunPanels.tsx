import { Tabs } from "@mantine/core";
import { isFinal, type Run } from "@/api/run";
import { ValueView } from "../inspector/ValueView";
import { PANELS, type Panel, useRunSearch } from "../search";
import { strings } from "../strings";
import { Deliveries } from "./Deliveries";
import { Events } from "./Events";
import classes from "./RunPanels.module.css";

/** The data of the run as a whole, below its steps. */
export function RunPanels({ run }: { run: Run }) {
  const [search, setSearch] = useRunSearch();
  const panel = search.panel ?? "output";
  return (
    <Tabs
      className={classes.panels}
      value={panel}
      onChange={(next) => setSearch({ panel: PANELS.find((each) => each === next) })}
      keepMounted={false}
    >
      <Tabs.List aria-label={strings.panels.label}>
        {PANELS.map((each) => (
          <Tabs.Tab key={each} value={each}>
            {strings.panels[each]}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      <Tabs.Panel value={panel} className={classes.panel}>
        <Content run={run} panel={panel} />
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
  }
}

function Output({ run }: { run: Run }) {
  if (run.output !== null) return <ValueView value={run.output} label={strings.panels.output} />;
  const text = isFinal(run.status) ? strings.panels.noOutput : strings.panels.noOutputYet;
  return <p className={classes.note}>{text}</p>;
}
