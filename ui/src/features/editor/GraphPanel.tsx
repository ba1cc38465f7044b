import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { GraphNotice, GraphProblem } from "../graph/GraphStates";
import { GraphView } from "../graph/GraphView";
import { stepAtOffset } from "../graph/model/reading";
import { type GraphState, useGraph } from "../graph/useGraph";
import type { Cursor, CursorPlace } from "./useCursorPlace";

type Props = {
  text: string;
  cursor: Cursor;
  place: CursorPlace;
  onGoTo: (line: number, column: number | null) => void;
};

/** The graph of the text. It marks the step under the cursor, and a click on a step moves the cursor there. */
export default function GraphPanel({ text, cursor, place, onGoTo }: Props) {
  const state = useGraph(text, false);
  const { graph, isOutdated, isLoading, hasFailed } = state;
  if (hasFailed) return <GraphProblem kind="failed" />;
  if (graph === null) {
    return isLoading ? <TextSkeleton lines={8} /> : <GraphProblem kind="unreadable" />;
  }
  const goTo = (key: string) => {
    const known = graph.places[key];
    if (known !== undefined) onGoTo(known.line, known.column);
  };
  return (
    <>
      <GraphView graph={graph} current={currentOf(state, text, cursor, place)} onOpen={goTo} />
      {isOutdated && <GraphNotice />}
    </>
  );
}

/** The step under the cursor. While the graph is that of an earlier text, the path of the cursor decides. */
function currentOf(
  { graph, text: drawn }: GraphState,
  text: string,
  { line, column }: Cursor,
  { path }: CursorPlace,
): string | null {
  if (graph === null) return null;
  if (drawn === text) return stepAtOffset(graph.places, offsetOf(text, line) + column - 1);
  for (let length = path.length; length > 0; length--) {
    const key = path.slice(0, length).join(".");
    if (Object.hasOwn(graph.places, key)) return key;
  }
  return null;
}

function offsetOf(text: string, line: number): number {
  let offset = 0;
  for (let count = 1; count < line; count++) {
    const end = text.indexOf("\n", offset);
    if (end === -1) break;
    offset = end + 1;
  }
  return offset;
}
