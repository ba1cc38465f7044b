import { ActionIcon, Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useCan } from "@/api/access";
import { previewQuery, type Schedule, scheduleQuery } from "@/api/schedules";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { CodeBlock } from "@/ui/text/CodeBlock";
import { NextTimes } from "./NextTimes";
import { OfDefinition } from "./OfDefinition";
import { RunNowButton } from "./RunNowButton";
import classes from "./Schedules.module.css";
import { strings } from "./strings";
import { Ticks } from "./Ticks";

type Props = {
  id: string;
  /** Whether its pipeline is paused. */
  isPaused: boolean;
  onClose: () => void;
  onEdit: (schedule: Schedule) => void;
  onDelete: (schedule: Schedule) => void;
};

/** The details of a schedule: its next times, and what became of its last ones. */
export default function SchedulePanel({ id, isPaused, onClose, onEdit, onDelete }: Props) {
  const schedule = useQuery(scheduleQuery(id));
  return (
    <section className={classes.panel} aria-label={schedule.data?.name ?? strings.schedules}>
      <div className={classes.head}>
        <h2 className={classes.title} dir="auto">
          {schedule.data?.name}
        </h2>
        <ActionIcon variant="subtle" color="gray" aria-label={strings.close} onClick={onClose}>
          <X size={16} aria-hidden />
        </ActionIcon>
      </div>
      {schedule.isPending && <TextSkeleton lines={8} />}
      {schedule.isError && (
        <ErrorState error={schedule.error} onRetry={() => void schedule.refetch()} />
      )}
      {schedule.data && (
        <Details
          schedule={schedule.data}
          isPaused={isPaused}
          onEdit={() => onEdit(schedule.data)}
          onDelete={() => onDelete(schedule.data)}
        />
      )}
    </section>
  );
}

type DetailsProps = {
  schedule: Schedule;
  isPaused: boolean;
  onEdit: () => void;
  onDelete: () => void;
};

function Details({ schedule, isPaused, onEdit, onDelete }: DetailsProps) {
  const isOfDefinition = schedule.from_definition;
  const canExecute = useCan("pipelines:execute");
  const canWrite = useCan("pipelines:write");
  const hasInput = Object.keys(schedule.input_data ?? {}).length > 0;
  return (
    <>
      <div>{schedule.description}</div>
      <div className={classes.actions}>
        {canExecute && <RunNowButton schedule={schedule} />}
        {canWrite && (
          <Button variant="default" onClick={onEdit}>
            {strings.edit}
          </Button>
        )}
        {canWrite && !isOfDefinition && (
          <Button variant="default" color="red" onClick={onDelete}>
            {strings.delete}
          </Button>
        )}
      </div>
      {isOfDefinition && <OfDefinition pipelineId={schedule.pipeline_id} />}
      <dl className={classes.facts}>
        <dt>{strings.expression}</dt>
        <dd className="mono">{schedule.cron_expression}</dd>
        <dt>{strings.timezone}</dt>
        <dd>{schedule.timezone}</dd>
        <dt>{strings.overlap}</dt>
        <dd>{strings.overlaps[schedule.overlap]}</dd>
        <dt>{strings.catchUp}</dt>
        <dd>{strings.catchUps[schedule.catch_up]}</dd>
      </dl>
      {hasInput && (
        <>
          <h3 className={classes.heading}>{strings.input}</h3>
          <CodeBlock
            label={strings.input}
            withoutHeading
            code={JSON.stringify(schedule.input_data, null, 2)}
          />
        </>
      )}
      <h3 className={classes.heading}>{strings.nextTimes}</h3>
      {isPaused && <p className={classes.text}>{strings.pausedText}</p>}
      <Next schedule={schedule} />
      <h3 className={classes.heading}>{strings.lastTicks}</h3>
      <p className={classes.text}>{strings.ticksText}</p>
      <Ticks id={schedule.id} />
    </>
  );
}

function Next({ schedule }: { schedule: Schedule }) {
  const preview = useQuery(previewQuery(schedule.cron_expression, schedule.timezone));
  if (schedule.next_run_at === null) {
    return (
      <p className={classes.text}>{schedule.enabled ? strings.archived : strings.notFiring}</p>
    );
  }
  if (preview.isPending) return <TextSkeleton lines={5} />;
  if (preview.isError)
    return <ErrorState error={preview.error} onRetry={() => void preview.refetch()} />;
  return <NextTimes preview={preview.data} />;
}
