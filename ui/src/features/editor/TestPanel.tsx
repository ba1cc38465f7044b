import { Button, NativeSelect } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Play } from "lucide-react";
import { useDenied } from "@/api/access";
import { examplesQuery } from "@/api/pipelines";
import { recentRunsQuery, useRunDraft } from "@/api/testRuns";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { formatRelative } from "@/ui/format/times";
import type { EditorSearch } from "./editorSearch";
import { stepIds } from "./language/stepAt";
import classes from "./Panels.module.css";
import { strings } from "./strings";
import { TestResult } from "./TestResult";
import { useInputForm } from "./useInputForm";

type Props = {
  pipelineId: string;
  text: string;
  document: unknown;
  search: EditorSearch;
  onSearch: (changes: Partial<EditorSearch>) => void;
};

/** Runs the text without saving it, or one of its steps, and shows the result while it happens. */
export function TestPanel({ pipelineId, text, document, search, onSearch }: Props) {
  const ids = stepIds(document);
  const step = ids.find((id) => id === search.step) ?? null;
  const { data: runs, isLoading } = useQuery(recentRunsQuery(pipelineId));
  const { data: examples } = useQuery({ ...examplesQuery, enabled: search.example !== undefined });
  const example = examples?.find(({ id }) => id === search.example)?.input_data;
  const input = useInputForm(document, runs, example);
  const start = useRunDraft(pipelineId);
  const isOfText = start.variables?.text === text;
  const denied = useDenied("pipelines:execute", "run a test");
  const source = runs?.find(({ id }) => id === search.from) ?? runs?.[0];

  const run = () => {
    const isStep = step !== null;
    const data = isStep && source !== undefined ? undefined : input.read();
    if (data === null) return;
    start.mutate(
      {
        text,
        input_data: data,
        step_id: step ?? undefined,
        from_run: isStep ? source?.id : undefined,
      },
      { onSuccess: ({ id }) => onSearch({ test: id }) },
    );
  };
  return (
    <>
      <form
        className={classes.form}
        onSubmit={(event) => {
          event.preventDefault();
          run();
        }}
      >
        <NativeSelect
          label={strings.whatToRun}
          value={step ?? ""}
          data={[
            { value: "", label: strings.allSteps },
            ...ids.map((id) => ({ value: id, label: strings.onlyStep(id) })),
          ]}
          onChange={(event) => onSearch({ step: event.currentTarget.value || undefined })}
        />
        {step !== null && runs !== undefined && runs.length > 0 && (
          <NativeSelect
            label={strings.outputsFrom}
            value={source?.id}
            data={runs.map(({ id, status, created_at }) => ({
              value: id,
              label: `${formatRelative(new Date(created_at), Date.now())}, ${status}`,
            }))}
            onChange={(event) => onSearch({ from: event.currentTarget.value })}
          />
        )}
        {step !== null && runs?.length === 0 && <p className={classes.hint}>{strings.noRuns}</p>}
        {isLoading && <TextSkeleton lines={3} />}
        {!isLoading && (step === null || runs?.length === 0) && input.form}
        <p className={classes.hint}>{denied ?? strings.testHint}</p>
        <div className={classes.actions}>
          <Button
            type="submit"
            loading={start.isPending}
            disabled={isLoading || denied !== null}
            leftSection={<Play size={16} aria-hidden />}
          >
            {strings.runDraft}
          </Button>
        </div>
      </form>
      {start.error && isOfText && <ErrorState error={start.error} title={strings.testFailed} />}
      {search.test !== undefined && <TestResult key={search.test} runId={search.test} />}
    </>
  );
}
