import { Switch } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useCan } from "@/api/access";
import { type ListedSchedule, useChangeSchedule } from "@/api/schedules";
import { toast } from "@/ui/feedback/toast";
import { RelativeTime } from "@/ui/format/Values";
import type { Column } from "@/ui/table/columns";
import classes from "./Schedules.module.css";
import { readSchedulesSearch } from "./search";
import { strings } from "./strings";

export const COLUMNS: readonly Column<ListedSchedule>[] = [
  {
    id: "name",
    header: strings.columns.name,
    cell: ({ id, name, pipeline_name }) => (
      <span className={classes.name} dir="ltr">
        <Link
          to="/schedules"
          search={(search) => readSchedulesSearch({ ...search, schedule: id })}
          className={classes.link}
          dir="auto"
        >
          {name}
        </Link>
        <span className="dimmed" dir="auto">
          {pipeline_name}
        </span>
      </span>
    ),
  },
  {
    id: "when",
    header: strings.columns.when,
    wideOnly: true,
    cell: ({ description, timezone }) => (
      <span className={classes.name}>
        <span>{description}</span>
        <span className="dimmed">{timezone}</span>
      </span>
    ),
  },
  {
    id: "next",
    header: strings.columns.next,
    width: "120px",
    cell: ({ next_run_at, is_paused }) =>
      is_paused ? (
        <span className="dimmed">{strings.paused}</span>
      ) : (
        <RelativeTime time={next_run_at} />
      ),
  },
  {
    id: "last",
    header: strings.columns.last,
    width: "120px",
    wideOnly: true,
    cell: ({ last_run_at }) => <RelativeTime time={last_run_at} />,
  },
  {
    id: "enabled",
    header: strings.columns.enabled,
    width: "90px",
    cell: (schedule) => <EnabledSwitch schedule={schedule} />,
  },
];

function EnabledSwitch({ schedule: { id, name, enabled } }: { schedule: ListedSchedule }) {
  const change = useChangeSchedule();
  const canWrite = useCan("pipelines:write");
  const shown = change.isPending ? change.variables.body.enabled === true : enabled;
  return (
    <Switch
      aria-label={`${strings.enabled}: ${name}`}
      checked={shown}
      disabled={change.isPending || !canWrite}
      onChange={(event) => {
        const wanted = event.currentTarget.checked;
        change.mutate(
          { id, body: { enabled: wanted } },
          {
            onError: (error) =>
              toast.failure(`“${name}” was not ${wanted ? "enabled" : "disabled"}`, error),
          },
        );
      }}
    />
  );
}
