import { ChevronDown, ChevronRight } from "lucide-react";
import { memo } from "react";
import { formatDuration } from "@/ui/format/numbers";
import { runStatus, StatusIcon } from "@/ui/StatusBadge";
import { branchIndex, type Row, waitsFor } from "../model/rows";
import { countInside, type TreeNode } from "../model/tree";
import { strings } from "../strings";
import { useInside, useRow, useStore } from "../useRun";
import bars from "./Bar.module.css";
import { barOf, durationOf } from "./bar";
import classes from "./StepTree.module.css";
import type { Axis } from "./useAxis";

type Props = {
  id: string;
  node: TreeNode;
  top: number;
  isOpen: boolean;
  isSelected: boolean;
  position: number;
  siblings: number;
  /** Rows directly inside. The node stays the same when there are more. */
  inside: number;
  axis: Axis;
  onSelect: (key: string) => void;
  onToggle: (key: string) => void;
};

/** One execution of a step. It renders when the step changes, not when others do. */
export const StepRow = memo(function StepRow(props: Props) {
  const { id, node, top, isOpen, isSelected, position, siblings, inside, axis } = props;
  const { onSelect, onToggle } = props;
  const row = useRow(node.key);
  if (row === undefined) return null;
  const isParent = inside > 0;
  const duration = durationOf(row, axis.now);
  const Twist = isOpen ? ChevronDown : ChevronRight;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree handles the keys of its rows
    // biome-ignore lint/a11y/useFocusableInteractive: the tree has the focus and names its active row
    <div
      id={id}
      role="treeitem"
      aria-level={node.level}
      aria-expanded={isParent ? isOpen : undefined}
      aria-selected={isSelected}
      aria-posinset={position}
      aria-setsize={siblings}
      className={classes.row}
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => onSelect(node.key)}
    >
      <div className={classes.step} style={{ paddingLeft: Math.min(node.level, 8) * 16 - 8 }}>
        {isParent ? (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the arrow keys do the same
          // biome-ignore lint/a11y/noStaticElementInteractions: the row has aria-expanded
          <span
            className={classes.twist}
            onClick={(event) => {
              event.stopPropagation();
              onToggle(node.key);
            }}
          >
            <Twist size={14} aria-hidden />
          </span>
        ) : (
          <span className={classes.twist} />
        )}
        {isParent ? (
          <ParentIcon node={node} row={row} />
        ) : (
          <StatusIcon status={row.status} label={row.status} />
        )}
        <span className={classes.name} dir="auto">
          {row.name}
        </span>
        {row.name !== row.step_id && <span className={classes.id}>{row.step_id}</span>}
        <Place row={row} />
        {isParent && !isOpen && <Inside node={node} branch={row.branch} />}
      </div>
      <div className={classes.lane} data-lane>
        <LaneBar row={row} axis={axis} />
      </div>
      <div className={classes.duration}>
        {row.is_reused ? strings.tree.reused : formatDuration(duration)}
      </div>
    </div>
  );
});

/** Which item, round and attempt the row is, if there are several. */
function Place({ row }: { row: Row }) {
  const index = branchIndex(row.branch);
  const attempts = Math.max(row.attempts, row.attempt);
  return (
    <>
      {index !== null && <span className={classes.chip}>{strings.tree.item(index)}</span>}
      {row.iteration > 1 && <span className={classes.chip}>×{row.iteration}</span>}
      {attempts > 1 && <span className={classes.chip}>{strings.tree.attempts(attempts)}</span>}
    </>
  );
}

/** The status of a step with others inside: amber if it completed although some of them failed. */
function ParentIcon({ node, row }: { node: TreeNode; row: Row }) {
  const store = useStore();
  useInside(row.branch);
  const { failed } = countInside(node, (key) => store.row(key));
  const { status, label } = runStatus({ status: row.status, failedSteps: failed });
  return <StatusIcon status={status} label={label.toLowerCase()} />;
}

/** The counts of a closed row. */
function Inside({ node, branch }: { node: TreeNode; branch: string }) {
  const store = useStore();
  useInside(branch);
  const { total, ended, failed, running } = countInside(node, (key) => store.row(key));
  return (
    <span className={classes.counts}>
      {ended === total ? strings.tree.counts(total) : strings.tree.done(ended, total)}
      {running > 0 && <span className={classes.running}> · {strings.tree.running(running)}</span>}
      {failed > 0 && <span className={classes.failed}> · {strings.tree.failed(failed)}</span>}
    </span>
  );
}

function LaneBar({ row, axis }: { row: Row; axis: Axis }) {
  const bar = barOf(row, axis);
  if (bar === null) return null;
  const queued = row.queued_ms ?? 0;
  return (
    <div
      className={bars.bar}
      data-waits={row.status === "waiting" && row.type === "" ? "person" : waitsFor(row.type)}
      data-status={row.status}
      style={{ left: `min(${bar.left}%, 100% - 3px)`, width: `${bar.width}%` }}
      title={queued > 0 ? strings.tree.queued(formatDuration(queued)) : undefined}
    >
      {bar.queued > 0 && <div className={bars.queued} style={{ width: `${bar.queued}%` }} />}
    </div>
  );
}
