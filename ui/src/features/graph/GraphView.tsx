import "@xyflow/react/dist/base.css";
import { useReducedMotion } from "@mantine/hooks";
import { type Edge, ReactFlow, type ReactFlowInstance } from "@xyflow/react";
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from "react";
import classes from "./Graph.module.css";
import { GraphTools } from "./GraphTools";
import { GraphContext, type StepState } from "./graphContext";
import { LineEdge, type LineEdgeData } from "./LineEdge";
import type { Box } from "./model/shapes";
import { everyStep, type Step } from "./model/steps";
import { type BoxNode, BranchBox, EndBox, StepBox } from "./StepBox";
import { strings } from "./strings";
import type { Graph } from "./useGraph";
import { centred, isVisible, startView } from "./view";

const NODE_TYPES = { step: StepBox, branch: BranchBox, end: EndBox };
const EDGE_TYPES = { line: LineEdge };
const MOVE_MS = 200;

type Props = {
  graph: Graph;
  /** The step that is marked. The graph moves so that it is visible. */
  current: string | null;
  stateOf?: (step: Step) => StepState;
  onOpen: (key: string) => void;
};

/** The steps of a pipeline as boxes with lines between them. Only those on the screen are mounted. */
export function GraphView({ graph, current, stateOf, onOpen }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const [flow, setFlow] = useState<ReactFlowInstance<BoxNode, LineEdgeData> | null>(null);
  const hintId = useId();
  const { steps, keys, boxes, titles } = useMemo(() => indexed(graph), [graph]);
  const nodes = useMemo(() => graph.layout.boxes.map(nodeOf), [graph]);
  const edges = useMemo(() => edgesOf(graph, steps), [graph, steps]);
  const moveTo = useMove(flow, frame, boxes);
  const currentBox = current === null ? undefined : boxes.get(current);
  const isKnown = currentBox !== undefined;
  useEffect(() => {
    if (current !== null && isKnown) moveTo(current);
  }, [current, isKnown, moveTo]);

  const [focused, setFocused] = useState<string | null>(null);
  const wanted = useRef<string | null>(null);
  const tabStop =
    [focused, current].find((key) => key !== null && steps.has(key)) ?? keys[0] ?? null;
  const onKeyDown = (event: KeyboardEvent) => {
    const next = keyAfter(event, keys, tabStop);
    if (next === null) return;
    event.preventDefault();
    event.stopPropagation();
    wanted.current = next;
    setFocused(next);
    moveTo(next);
  };
  const takeFocus = (key: string) => {
    if (wanted.current !== key) return false;
    wanted.current = null;
    return true;
  };
  const shared = {
    steps,
    titles,
    current,
    tabStop,
    stateOf: stateOf ?? null,
    onOpen: (key: string) => {
      setFocused(key);
      onOpen(key);
    },
    takeFocus,
  };
  return (
    <GraphContext value={shared}>
      <div ref={frame} className={classes.frame}>
        <ReactFlow
          nodes={nodes}
          edges={edges}
          nodeTypes={NODE_TYPES}
          edgeTypes={EDGE_TYPES}
          onInit={(created) => {
            const size = sizeOf(frame.current);
            void created.setViewport(startView(graph.layout, size, currentBox ?? null));
            setFlow(created);
          }}
          aria-label={strings.label}
          aria-describedby={hintId}
          tabIndex={0}
          onKeyDown={onKeyDown}
          minZoom={0.25}
          maxZoom={1.5}
          nodesDraggable={false}
          nodesConnectable={false}
          nodesFocusable={false}
          edgesFocusable={false}
          elementsSelectable={false}
          disableKeyboardA11y
          deleteKeyCode={null}
          selectionKeyCode={null}
          panActivationKeyCode={null}
          panOnScroll
          zoomOnScroll={false}
          zoomOnDoubleClick={false}
          onlyRenderVisibleElements
        >
          <GraphTools />
        </ReactFlow>
        <p id={hintId} className="visually-hidden">
          {strings.hint}
        </p>
      </div>
    </GraphContext>
  );
}

/** Moves the view so that a step is on the screen. */
function useMove(
  flow: ReactFlowInstance<BoxNode, LineEdgeData> | null,
  frame: React.RefObject<HTMLDivElement | null>,
  boxes: ReadonlyMap<string, Box>,
) {
  const isCalm = useReducedMotion();
  const known = useRef(boxes);
  useEffect(() => {
    known.current = boxes;
  });
  return useMemo(
    () => (key: string) => {
      const box = known.current.get(key);
      if (flow === null || box === undefined) return;
      const size = sizeOf(frame.current);
      const view = flow.getViewport();
      if (isVisible(box, view, size)) return;
      void flow.setViewport(centred(box, size, view.zoom), { duration: isCalm ? 0 : MOVE_MS });
    },
    [flow, frame, isCalm],
  );
}

function sizeOf(element: HTMLElement | null) {
  return { width: element?.clientWidth ?? 0, height: element?.clientHeight ?? 0 };
}

function indexed({ steps, layout }: Graph) {
  const all = [...everyStep(steps)];
  const branches = all.flatMap((step) => step.branches);
  return {
    steps: new Map(all.map((step) => [step.key, step])),
    keys: all.map(({ key }) => key),
    boxes: new Map(layout.boxes.map((box) => [box.key, box])),
    titles: new Map(branches.flatMap(({ key, title }) => (title === null ? [] : [[key, title]]))),
  };
}

function nodeOf({ key, kind, level, x, y, width, height }: Box): BoxNode {
  const handle = { width: 1, height: 1, x: width / 2 };
  return {
    id: key,
    type: kind,
    data: { key },
    position: { x, y },
    width,
    height,
    measured: { width, height },
    zIndex: level,
    // The button inside is what assistive technology needs.
    domAttributes: { "aria-roledescription": undefined },
    handles: [
      { ...handle, type: "target", position: "top", y: 0 },
      { ...handle, type: "source", position: "bottom", y: height },
    ] as BoxNode["handles"],
  };
}

function edgesOf(
  { layout }: Graph,
  steps: ReadonlyMap<string, Step>,
): Edge<LineEdgeData["data"] & {}>[] {
  const levels = new Map(layout.boxes.map(({ key, level }) => [key, level]));
  const nameOf = (key: string) => steps.get(key)?.name ?? strings.end;
  return layout.lines.map((line) => ({
    id: line.id,
    type: "line",
    source: line.source,
    target: line.target,
    zIndex: levels.get(line.source) ?? 0,
    ariaLabel: [
      strings.fromTo(nameOf(line.source), nameOf(line.target)),
      ...line.tags.map(({ text }) => text),
    ].join(", "),
    data: { line },
  }));
}

/** The step that a key leads to. */
function keyAfter(event: KeyboardEvent, keys: readonly string[], from: string | null) {
  const isOnStep = event.target instanceof Element && event.target.closest("[data-step]") !== null;
  const at = from === null ? -1 : keys.indexOf(from);
  const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (event.key === "Home") return keys[0] ?? null;
  if (event.key === "End") return keys.at(-1) ?? null;
  if (by === undefined) return null;
  // From the graph itself, the first key leads to the step that Tab reaches.
  return (isOnStep ? keys[at + by] : from) ?? null;
}
