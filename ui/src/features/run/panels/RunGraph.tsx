import { useQuery } from "@tanstack/react-query";
import { type Run, versionTextQuery } from "@/api/run";
import { GraphProblem } from "@/features/graph/GraphStates";
import { GraphView } from "@/features/graph/GraphView";
import type { StepState } from "@/features/graph/graphContext";
import { everyStep, type Step } from "@/features/graph/model/steps";
import { strings as graphStrings } from "@/features/graph/strings";
import { useGraph } from "@/features/graph/useGraph";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import type { Executions } from "../model/stepStates";
import { searchFor, useRunSearch } from "../search";
import classes from "./RunPanels.module.css";
import { strings } from "./strings";
import { useExecutions } from "./useExecutions";

/** The pipeline with what the run has done with its steps. A click on a step selects it. */
export default function RunGraph({ run }: { run: Run }) {
  const {
    data: text,
    error,
    refetch,
  } = useQuery(versionTextQuery(run.pipeline_id, run.pipeline_version));
  if (error) {
    return (
      <ErrorState error={error} title={strings.graph.notLoaded} onRetry={() => void refetch()} />
    );
  }
  return (
    <div className={classes.graph}>
      {text === undefined ? <TextSkeleton lines={8} /> : <Drawn text={text} />}
    </div>
  );
}

function Drawn({ text }: { text: string }) {
  const { graph, isLoading, hasFailed } = useGraph(text, true);
  const executions = useExecutions();
  const [, setSearch] = useRunSearch();
  if (hasFailed) return <GraphProblem kind="failed" />;
  if (graph === null) {
    return isLoading ? <TextSkeleton lines={8} /> : <GraphProblem kind="unreadable" />;
  }
  const steps = [...everyStep(graph.steps)];
  const open = (key: string) => {
    const id = steps.find((step) => step.key === key)?.id;
    const found = executions.get(id ?? "");
    if (found !== undefined) setSearch(searchFor(found.shown), true);
  };
  return (
    <GraphView
      graph={graph}
      current={null}
      stateOf={({ id }: Step) => stateOf(executions.get(id ?? ""))}
      onOpen={open}
    />
  );
}

function stateOf(found: Executions | undefined): StepState {
  if (found === undefined) return { status: null, detail: null, canOpen: false };
  return { status: found.status, detail: detailOf(found), canOpen: true };
}

function detailOf({ total, ended, failed, isSpread }: Executions): string | null {
  if (total === 1) return null;
  if (!isSpread) return graphStrings.times(total);
  const counts = graphStrings.ofItems(ended, total);
  return failed === 0 ? counts : `${counts}, ${graphStrings.failedItems(failed)}`;
}
