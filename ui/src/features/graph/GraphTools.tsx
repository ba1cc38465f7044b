import { ActionIcon, Tooltip } from "@mantine/core";
import { Panel, useReactFlow } from "@xyflow/react";
import { type LucideIcon, Maximize, ZoomIn, ZoomOut } from "lucide-react";
import classes from "./Graph.module.css";
import { strings } from "./strings";

export function GraphTools() {
  const flow = useReactFlow();
  return (
    <Panel position="top-right" className={classes.tools}>
      <Tool icon={ZoomIn} label={strings.zoomIn} onClick={() => void flow.zoomIn()} />
      <Tool icon={ZoomOut} label={strings.zoomOut} onClick={() => void flow.zoomOut()} />
      <Tool
        icon={Maximize}
        label={strings.fit}
        onClick={() => void flow.fitView({ padding: 0.05, maxZoom: 1 })}
      />
    </Panel>
  );
}

type ToolProps = { icon: LucideIcon; label: string; onClick: () => void };

function Tool({ icon: Icon, label, onClick }: ToolProps) {
  return (
    <Tooltip label={label}>
      <ActionIcon size={28} variant="default" aria-label={label} onClick={onClick}>
        <Icon size={16} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
