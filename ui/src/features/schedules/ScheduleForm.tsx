import { Button, Group, Modal, Select, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useMemo, useRef, useState } from "react";
import { asApiError } from "@/api/errors";
import { pipelineOptionsQuery } from "@/api/filterOptions";
import { savedPipelineQuery } from "@/api/pipelines";
import {
  previewQuery,
  type Schedule,
  scheduleInputQuery,
  useChangeSchedule,
  useCreateSchedule,
} from "@/api/schedules";
import { checkedText } from "@/features/forms/issues";
import { SchemaForm } from "@/features/forms/SchemaForm";
import { FormError } from "@/ui/feedback/FormError";
import { fieldErrors } from "@/ui/feedback/fieldErrors";
import { toast } from "@/ui/feedback/toast";
import { useRefusalInView } from "@/ui/feedback/useRefusalInView";
import { changedFields, type Fields, fieldsOf, newInput, scheduledSchema, trimmed } from "./fields";
import { NextTimes } from "./NextTimes";
import { OfDefinition } from "./OfDefinition";
import classes from "./Schedules.module.css";
import { strings } from "./strings";
import { viewerZone, zoneNames } from "./times";

type Props = {
  /** The schedule to change. Without one, the form creates one. */
  schedule?: Schedule;
  pipelineId?: string;
  onClose: () => void;
  onSaved: (id: string) => void;
};

const FIELDS = ["name", "cron_expression", "timezone"];
const PAUSE_MS = 250;

const choices = <T extends string>(labels: Readonly<Record<T, string>>) =>
  Object.entries<string>(labels).map(([value, label]) => ({ value: value as T, label }));

export default function ScheduleForm({ schedule, pipelineId, onClose, onSaved }: Props) {
  const [pipeline, setPipeline] = useState(schedule?.pipeline_id ?? pipelineId ?? null);
  const [first] = useState(() => fieldsOf(schedule));
  const exact = useQuery({
    ...scheduleInputQuery(schedule?.id ?? ""),
    enabled: schedule !== undefined,
  });
  const saved = useQuery({ ...savedPipelineQuery(pipeline ?? ""), enabled: pipeline !== null });
  const schema = useMemo(() => scheduledSchema(saved.data?.definition), [saved.data]);
  const openedInput = schedule === undefined ? newInput(schema) : (exact.data ?? first.input);
  const opened = { ...first, input: openedInput };
  const [typed, setTyped] = useState<Partial<Fields>>({});
  const set = (changes: Partial<Fields>) => setTyped((known) => ({ ...known, ...changes }));
  const shown = { ...opened, ...typed };
  const { name, cron_expression: expression, timezone, input } = shown;
  const [refusals, setRefusals] = useState(0);
  const form = useRef<HTMLFormElement>(null);
  const { data: pipelines = [] } = useQuery(pipelineOptionsQuery);
  const create = useCreateSchedule();
  const change = useChangeSchedule();
  const failure = create.error ?? change.error;
  const errors = fieldErrors(failure);
  useRefusalInView(form, failure, refusals);
  const preview = useTriedExpression(expression, timezone);
  const isOfDefinition = schedule?.from_definition === true;
  const isInputValid =
    (schedule !== undefined && input === openedInput) ||
    checkedText(input, schema).issues.length === 0;

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!isInputValid || pipeline === null) return setRefusals(refusals + 1);
    const onSuccess = ({ id }: Schedule) => {
      toast.success(`The schedule “${name.trim()}” is saved.`);
      onSaved(id);
    };
    if (schedule !== undefined) {
      change.mutate({ id: schedule.id, ...changedFields(opened, shown) }, { onSuccess });
    } else {
      const { input: inputText, ...fields } = trimmed(shown);
      const body = { ...fields, enabled: true };
      create.mutate({ pipelineId: pipeline, body, inputText }, { onSuccess });
    }
  };
  const title = schedule === undefined ? strings.create : `Edit “${schedule.name}”`;
  return (
    <Modal opened onClose={onClose} title={title} centered size="lg">
      <form ref={form} onSubmit={submit} className={classes.form} noValidate>
        <FormError error={failure ?? exact.error} fields={FIELDS} />
        {schedule === undefined && (
          <Select
            label={strings.pipeline}
            data={pipelines}
            value={pipeline}
            searchable
            openOnFocus={false}
            error={refusals > 0 && pipeline === null ? strings.choosePipeline : undefined}
            onChange={setPipeline}
          />
        )}
        <TextInput
          label={strings.name}
          value={name}
          error={errors.name}
          onChange={(event) => set({ name: event.currentTarget.value })}
        />
        {isOfDefinition ? (
          <OfDefinition pipelineId={schedule.pipeline_id} />
        ) : (
          <>
            <TextInput
              label={strings.expression}
              description={strings.expressionHint}
              classNames={{ input: "mono" }}
              value={expression}
              error={preview.error ?? errors.cron_expression}
              onChange={(event) => set({ cron_expression: event.currentTarget.value })}
            />
            <Select
              label={strings.timezone}
              data={zoneNames(viewerZone(), timezone)}
              value={timezone}
              searchable
              openOnFocus={false}
              limit={50}
              allowDeselect={false}
              error={errors.timezone}
              onChange={(value) => value !== null && set({ timezone: value })}
            />
            {preview.data && (
              <div className={classes.preview}>
                <p className={classes.words} role="status">
                  {preview.data.description}
                </p>
                <NextTimes preview={preview.data} />
              </div>
            )}
          </>
        )}
        {!saved.isLoading && (schedule === undefined || exact.data !== undefined) && (
          <SchemaForm
            key={pipeline}
            label={strings.input}
            description={strings.inputHint}
            text={input}
            schema={schema}
            isChecked={refusals > 0}
            onChange={(text) => set({ input: text })}
          />
        )}
        <Select
          label={strings.overlap}
          data={choices(strings.overlaps)}
          value={shown.overlap}
          allowDeselect={false}
          onChange={(value) => value !== null && set({ overlap: value })}
        />
        <Select
          label={strings.catchUp}
          data={choices(strings.catchUps)}
          value={shown.catch_up}
          allowDeselect={false}
          onChange={(value) => value !== null && set({ catch_up: value })}
        />
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={create.isPending || change.isPending}>
            {schedule === undefined ? strings.create : strings.save}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}

/** What an expression means, a short pause after the last change. */
function useTriedExpression(expression: string, timezone: string) {
  const [tried] = useDebouncedValue(expression.trim(), PAUSE_MS);
  const { data, error } = useQuery({ ...previewQuery(tried, timezone), enabled: tried !== "" });
  if (error === null) return { data, error: undefined };
  const problem = asApiError(error);
  return {
    data: undefined,
    error: Object.values(problem.fieldErrors).join(" ") || problem.message,
  };
}
