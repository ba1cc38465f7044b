import { useVirtualizer } from "@tanstack/react-virtual";
import { ChevronDown, ChevronRight } from "lucide-react";
import { type KeyboardEvent, useId, useMemo, useRef, useState } from "react";
import { CopyButton } from "./CopyButton";
import classes from "./JsonTree.module.css";
import { initiallyExpanded, type JsonRow, jsonRows } from "./jsonRows";
import { visible } from "./visible";

const ROW_HEIGHT = 24;
const MAX_HEIGHT = 480;

type Props = {
  value: unknown;
  /** Accessible name: "Output". */
  label: string;
  /** Height from which the tree scrolls. Without it, the styles around the tree decide. */
  maxHeight?: number;
};

/** A JSON value as a tree. It visits only opened values, and mounts only the rows on the screen. */
export function JsonTree({ value, label, maxHeight }: Props) {
  const [expanded, setExpanded] = useState<ReadonlySet<string>>(() => initiallyExpanded(value));
  const [activePath, setActivePath] = useState("");
  const rows = useMemo(() => jsonRows(value, expanded), [value, expanded]);
  const treeId = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 10,
    initialRect: { width: 0, height: Math.min(maxHeight ?? MAX_HEIGHT, rows.length * ROW_HEIGHT) },
  });
  const found = rows.findIndex(({ path }) => path === activePath);
  const active = found === -1 ? 0 : found;

  const toggle = (row: JsonRow, open = !row.isExpanded) => {
    const next = new Set(expanded);
    if (open) next.add(row.path);
    else next.delete(row.path);
    setExpanded(next);
  };
  const activate = (index: number) => {
    const row = rows[index];
    if (row === undefined) return;
    setActivePath(row.path);
    virtualizer.scrollToIndex(index);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const row = rows[active];
    if (row === undefined || event.target !== event.currentTarget) return;
    const act = keyActions(rows, active, row)[event.key];
    if (act === undefined) return;
    event.preventDefault();
    if (act.toggle !== undefined) toggle(row, act.toggle);
    if (act.to !== undefined) activate(act.to);
  };

  return (
    <div className={classes.frame}>
      <div className={classes.copy}>
        <CopyButton what={label} value={() => JSON.stringify(value, null, 2)} />
      </div>
      <div
        ref={scroller}
        role="tree"
        aria-label={label}
        aria-activedescendant={`${treeId}-${active}`}
        tabIndex={0}
        className={classes.tree}
        style={{ maxHeight }}
        onKeyDown={onKeyDown}
      >
        <div style={{ height: virtualizer.getTotalSize(), position: "relative" }} role="none">
          {virtualizer.getVirtualItems().map(({ index, start }) => {
            const row = rows[index] as JsonRow;
            return (
              // biome-ignore lint/a11y/useKeyWithClickEvents: the tree handles the keys of its rows
              // biome-ignore lint/a11y/useFocusableInteractive: the tree has the focus and names its active row
              <div
                key={row.path}
                id={`${treeId}-${index}`}
                role="treeitem"
                aria-level={row.level}
                aria-expanded={row.isExpandable ? row.isExpanded : undefined}
                aria-posinset={row.position}
                aria-setsize={row.siblings}
                aria-selected={index === active}
                className={classes.row}
                style={{ transform: `translateY(${start}px)`, paddingLeft: row.level * 16 - 8 }}
                onClick={() => {
                  setActivePath(row.path);
                  if (row.isExpandable) toggle(row);
                }}
              >
                <Twist row={row} />
                {row.name !== null && <span className={classes.name}>{visible(row.name)}</span>}
                {row.name !== null && row.kind !== "range" && <span aria-hidden>: </span>}
                <span className={classes[row.kind]}>{visible(row.text)}</span>
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

function Twist({ row }: { row: JsonRow }) {
  if (!row.isExpandable) return <span className={classes.twist} />;
  const Icon = row.isExpanded ? ChevronDown : ChevronRight;
  return <Icon size={14} className={classes.twist} aria-hidden />;
}

type KeyAction = { toggle?: boolean; to?: number };

/** What the keys of the tree pattern do at a row. */
function keyActions(
  rows: readonly JsonRow[],
  index: number,
  row: JsonRow,
): Record<string, KeyAction> {
  const parent = rows.findLastIndex((each, at) => at < index && each.level < row.level);
  return {
    ArrowDown: { to: Math.min(index + 1, rows.length - 1) },
    ArrowUp: { to: Math.max(index - 1, 0) },
    Home: { to: 0 },
    End: { to: rows.length - 1 },
    ArrowRight: row.isExpanded ? { to: index + 1 } : row.isExpandable ? { toggle: true } : {},
    ArrowLeft: row.isExpanded ? { toggle: false } : { to: Math.max(parent, 0) },
    Enter: row.isExpandable ? { toggle: !row.isExpanded } : {},
    " ": row.isExpandable ? { toggle: !row.isExpanded } : {},
  };
}
