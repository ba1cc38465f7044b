import { Button, Group, Modal, Select, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { inputTextQuery } from "@/api/recordedTexts";
import { type Run, useRetryRun, versionQuery } from "@/api/run";
import { checkedText } from "@/features/forms/issues";
import { SchemaForm } from "@/features/forms/SchemaForm";
import { inputSchema } from "@/features/forms/schema";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { toast } from "@/ui/feedback/toast";
import { formatMoney, formatNumber } from "@/ui/format/numbers";
import { failureOf } from "../failure";
import { strings as runStrings } from "../strings";
import { useLoading, useStore } from "../useRun";
import { OutputFields } from "./OutputFields";
import { editedTexts, type Outputs } from "./outputs";
import { outermost, type Plan, planRetry, startSteps, stoppedAt } from "./plan";
import classes from "./RetryDialog.module.css";
import { strings } from "./strings";

type Props = {
  run: Run;
  /** "start" or "failed" to retry the run, or the id of the step from which to fork it. */
  from: string;
  onClose: () => void;
};

/** Where a retry starts, with which version and which data, and what that reuses. */
export default function RetryDialog({ run, from, onClose }: Props) {
  const store = useStore();
  const [rows] = useState(() => store.rows);
  const texts = from === "start" || from === "failed" ? strings.retry : strings.fork;
  const stopped = stoppedAt(rows, failureOf(run.error)?.step_id ?? null);
  const [start, setStart] = useState(() => {
    if (from === "start") return from;
    const wanted = from === "failed" ? stopped : from;
    return wanted === null ? "start" : outermost(rows, wanted);
  });
  const [version, setVersion] = useState<"same" | "latest">("same");
  const recorded = useQuery(inputTextQuery(run.id));
  const [editedInput, setInput] = useState<string | null>(null);
  const input = editedInput ?? recorded.data;
  const [outputs, setOutputs] = useState<Outputs>({});
  const { data: definition } = useQuery(versionQuery(run.pipeline_id, run.pipeline_version));
  const plan = useMemo(() => planRetry(rows, start), [rows, start]);
  // The schema of the latest version can differ. The server checks the input with it.
  const schema = version === "same" ? inputSchema(definition?.definition) : null;
  const outputTexts = editedTexts(outputs, plan.reused);
  const isValid =
    (input === undefined || checkedText(input, schema).issues.length === 0) &&
    Object.values(outputTexts).every((text) => checkedText(text, null).issues.length === 0);
  const navigate = useNavigate();
  const retry = useRetryRun(run.id);
  const submit = () =>
    retry.mutate(
      {
        from: start,
        version,
        inputText: input === undefined || input === recorded.data ? null : input,
        outputTexts,
      },
      {
        onSuccess: (started) => {
          toast.success(texts.started);
          onClose();
          void navigate({ to: "/runs/$runId", params: { runId: started.id } });
        },
      },
    );
  return (
    <Modal opened onClose={onClose} title={texts.title} size="lg">
      <Stack gap="md">
        <Select
          label={strings.from}
          data={choices(startSteps(rows), stopped === null ? null : outermost(rows, stopped))}
          value={start}
          onChange={(next) => setStart(next ?? "start")}
          allowDeselect={false}
        />
        <Select
          label={strings.version}
          data={[
            { value: "same", label: strings.same(nameOfVersion(run)) },
            { value: "latest", label: strings.latest },
          ]}
          value={version}
          onChange={(next) => setVersion(next === "latest" ? "latest" : "same")}
          allowDeselect={false}
        />
        {input !== undefined && (
          <SchemaForm
            key={version}
            label={strings.input}
            text={input}
            schema={schema}
            isChecked
            onChange={setInput}
          />
        )}
        {recorded.error !== null && (
          <ErrorState
            error={recorded.error}
            title={strings.inputFailed}
            onRetry={() => void recorded.refetch()}
          />
        )}
        <OutputFields run={run} reused={plan.reused} outputs={outputs} onChange={setOutputs} />
        <Summary plan={plan} />
        {retry.error !== null && <ErrorState error={retry.error} title={texts.failed} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {strings.cancel}
          </Button>
          <Button disabled={!isValid} loading={retry.isPending} onClick={submit}>
            {texts.start}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function nameOfVersion(run: Run): string {
  return run.is_draft ? runStrings.draft : runStrings.version(run.pipeline_version);
}

function choices(steps: readonly { id: string; name: string }[], stopped: string | null) {
  return [
    { value: "start", label: strings.beginning },
    ...steps.map(({ id, name }) => {
      const label = strings.step(name, id);
      return { value: id, label: id === stopped ? strings.failed(label) : label };
    }),
  ];
}

/** What is reused and saved, and what is executed again. */
function Summary({ plan }: { plan: Plan }) {
  const { isComplete } = useLoading();
  const { reused, again, savedTokens, savedMicros } = plan;
  return (
    <div className={classes.summary} aria-live="polite">
      <p>
        {reused.length === 0
          ? strings.reusedNone
          : strings.reused(reused.length, formatNumber(savedTokens), formatMoney(savedMicros))}
      </p>
      {reused.length > 0 && again.length > 0 && <p>{strings.again(again.join(", "))}</p>}
      {!isComplete && <p>{strings.partial}</p>}
    </div>
  );
}
