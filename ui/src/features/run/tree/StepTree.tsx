import { useVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, useCallback, useEffect, useId, useMemo, useRef, useState } from "react";
import type { Run } from "@/api/run";
import {
  isExpanded,
  revealed,
  type TreeNode,
  UNCHANGED,
  visibleNodes,
  withChoice,
} from "../model/tree";
import { useRunSearch } from "../search";
import { strings } from "../strings";
import { useHead, useLoading, useStore, useTree } from "../useRun";
import { RunRow } from "./RunRow";
import { StepRow } from "./StepRow";
import classes from "./StepTree.module.css";
import { TreeHead } from "./TreeHead";
import { useAxis } from "./useAxis";
import { useTreeKeys } from "./useTreeKeys";
import { useWheelZoom } from "./useWheelZoom";

const ROW_HEIGHT = 32;
/** With this, a list of 1,500 px mounts fewer than 60 rows. */
const OVERSCAN = 6;

type Props = {
  run: Run;
  scroller: RefObject<HTMLDivElement | null>;
  selectedKey: string | null;
  isRunSelected: boolean;
  onSelect: (key: string) => void;
  onSelectRun: () => void;
};

/** The steps as a tree, each with its time beside it. Only the rows on the screen are mounted. */
export function StepTree(props: Props) {
  const { run, scroller, selectedKey, isRunSelected, onSelect, onSelectRun } = props;
  const store = useStore();
  const tree = useTree();
  const [search, setSearch] = useRunSearch();
  const isCompact = search.compact === true;
  const { axis, idle, view, setView } = useAxis(store, run, isCompact);
  const [expansion, setExpansion] = useState(UNCHANGED);
  const nodes = useMemo(() => visibleNodes(tree, expansion), [tree, expansion]);
  const treeId = useId();
  const virtualizer = useVirtualizer({
    count: nodes.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: OVERSCAN,
    getItemKey: (index) => nodes[index]?.key ?? index,
  });
  useWheelZoom(scroller, view, setView);

  const selected = nodes.findIndex(({ key }) => key === selectedKey);
  useReveal(selectedKey, tree.nodes.get(selectedKey ?? ""), setExpansion);
  const scrolledTo = useRef<string | null>(null);
  useEffect(() => {
    // Only a new selection scrolls. Rows that arrive do not.
    if (scrolledTo.current === selectedKey || (selectedKey !== null && selected === -1)) return;
    scrolledTo.current = selectedKey;
    if (selected !== -1) virtualizer.scrollToIndex(selected);
  });

  const toggle = useCallback(
    (key: string) =>
      setExpansion((known) => {
        const node = store.tree.nodes.get(key);
        return node === undefined ? known : withChoice(known, key, !isExpanded(node, known));
      }),
    [store],
  );
  const onKeyDown = useTreeKeys({
    nodes,
    selected,
    expansion,
    setExpansion,
    onSelect,
    onSelectRun,
  });
  const items = virtualizer.getVirtualItems();
  const isMounted = items.some(({ index }) => index === selected);
  return (
    <div className={classes.frame}>
      <TreeHead
        axis={axis}
        idle={idle}
        isCompact={isCompact}
        onCompact={(compact) => setSearch({ compact: compact || undefined })}
        onView={setView}
      />
      <RunRow run={run} axis={axis} isSelected={isRunSelected} onSelect={onSelectRun} />
      <div
        ref={scroller}
        role="tree"
        aria-label={strings.tree.label}
        aria-activedescendant={isMounted ? `${treeId}-${selected}` : undefined}
        tabIndex={0}
        className={classes.scroller}
        onKeyDown={onKeyDown}
      >
        <div className={classes.inner} style={{ height: virtualizer.getTotalSize() }} role="none">
          {items.map(({ index, start }) => {
            const node = nodes[index] as TreeNode;
            return (
              <StepRow
                key={node.key}
                id={`${treeId}-${index}`}
                node={node}
                top={start}
                isOpen={isExpanded(node, expansion)}
                isSelected={index === selected}
                position={node.position}
                inside={node.children.length}
                siblings={(node.parent?.children ?? tree.roots).length}
                axis={axis}
                onSelect={onSelect}
                onToggle={toggle}
              />
            );
          })}
        </div>
      </div>
      <TreeNote isEmpty={nodes.length === 0} />
    </div>
  );
}

/** Open the rows around a new selection, as soon as it is here. A person can close them again. */
function useReveal(
  key: string | null,
  node: TreeNode | undefined,
  setExpansion: (change: (known: typeof UNCHANGED) => typeof UNCHANGED) => void,
): void {
  const done = useRef<string | null>(null);
  useEffect(() => {
    if (key === done.current || (key !== null && node === undefined)) return;
    done.current = key;
    setExpansion((known) => revealed(known, node));
  }, [key, node, setExpansion]);
}

function TreeNote({ isEmpty }: { isEmpty: boolean }) {
  const loading = useLoading();
  const head = useHead();
  if (!loading.isComplete && loading.hasSteps) {
    return <div className={classes.note}>{strings.tree.loadingMore} …</div>;
  }
  if (!isEmpty || !loading.hasSteps) return null;
  const text = head?.completed_at ? strings.tree.noStepsEnded : strings.tree.noSteps;
  return <div className={classes.note}>{text}</div>;
}
