import { ActionIcon, Tooltip } from "@mantine/core";
import {
  FoldHorizontal,
  type LucideIcon,
  Maximize,
  UnfoldHorizontal,
  ZoomIn,
  ZoomOut,
} from "lucide-react";
import { formatDuration } from "@/ui/format/numbers";
import { type Interval, percentIn, ticks, type View, WHOLE, zoomed } from "../model/timeScale";
import { strings } from "../strings";
import classes from "./StepTree.module.css";
import type { Axis } from "./useAxis";

const TICKS = 4;
/** A label further right would be cut. */
const LAST_LABEL_PERCENT = 88;

type Props = {
  axis: Axis;
  idle: readonly Interval[];
  isCompact: boolean;
  onCompact: (isCompact: boolean) => void;
  onView: (view: View) => void;
};

/** The axis above the waterfall, and the buttons that change it. */
export function TreeHead({ axis, idle, isCompact, onCompact, onView }: Props) {
  const { scale, view } = axis;
  const { from } = scale.extent;
  const texts = strings.tree;
  return (
    <div className={classes.head}>
      <div className={classes.tools}>
        <span>{texts.label}</span>
        {(idle.length > 0 || isCompact) && (
          <Tool
            icon={isCompact ? UnfoldHorizontal : FoldHorizontal}
            label={isCompact ? texts.uncompress : texts.compress}
            onClick={() => onCompact(!isCompact)}
          />
        )}
        <Tool icon={ZoomIn} label={texts.zoomIn} onClick={() => onView(zoomed(view, 0.5, 0.5))} />
        <Tool
          icon={ZoomOut}
          label={texts.zoomOut}
          isDisabled={view === WHOLE}
          onClick={() => onView(zoomed(view, 0.5, 2))}
        />
        <Tool
          icon={Maximize}
          label={texts.fit}
          isDisabled={view === WHOLE}
          onClick={() => onView(WHOLE)}
        />
      </div>
      <div className={classes.ticks} aria-hidden>
        {ticks(scale, view, TICKS)
          .map((since) => ({ since, left: percentIn(view, scale.at(from + since)) }))
          .filter(({ left }) => left < LAST_LABEL_PERCENT)
          .map(({ since, left }) => (
            <span key={since} className={classes.tick} style={{ left: `${left}%` }}>
              {formatDuration(since)}
            </span>
          ))}
        {scale.gaps.map((gap) => {
          const [left, right] = [gap.left, gap.left + gap.width].map((at) => percentIn(view, at));
          return (
            <span
              key={gap.from}
              className={classes.gapMark}
              style={{ left: `${left}%`, width: `${(right ?? 0) - (left ?? 0)}%` }}
              title={texts.idle(formatDuration(gap.to - gap.from))}
            />
          );
        })}
      </div>
      <div />
    </div>
  );
}

type ToolProps = { icon: LucideIcon; label: string; isDisabled?: boolean; onClick: () => void };

function Tool({ icon: Icon, label, isDisabled = false, onClick }: ToolProps) {
  return (
    <Tooltip label={label}>
      <ActionIcon
        size={24}
        className={classes.tool}
        aria-label={label}
        disabled={isDisabled}
        onClick={onClick}
      >
        <Icon size={14} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
