import { ActionIcon } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { X } from "lucide-react";
import { useEffect, useRef } from "react";
import { LOCALE } from "@/ui/format/locale";
import { formatNumber } from "@/ui/format/numbers";
import panel from "../Schedules.module.css";
import type { SchedulesSearch } from "../search";
import { strings } from "../strings";
import type { Cell } from "./density";
import classes from "./Week.module.css";

const texts = strings.week;
const HOUR_MS = 3_600_000;
const period = new Intl.DateTimeFormat(LOCALE, {
  weekday: "long",
  month: "long",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});

type Props = { at: number; cell: Cell; search: SchedulesSearch; onClose: () => void };

/** The schedules that start runs in an hour. */
export function CellPanel({ at, cell, search, onClose }: Props) {
  const title = period.formatRange(at, at + HOUR_MS);
  const section = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: on a narrow screen, it is below the table
  useEffect(() => {
    section.current?.scrollIntoView({ block: "nearest" });
  }, [at]);
  return (
    <section ref={section} className={panel.panel} aria-label={title}>
      <div className={panel.head}>
        <h2 className={panel.title}>{title}</h2>
        <ActionIcon aria-label={strings.close} onClick={onClose}>
          <X size={16} aria-hidden />
        </ActionIcon>
      </div>
      <p className={panel.text}>
        {cell.runs === 0 ? texts.nothingHere : texts.runs(formatNumber(cell.runs), cell.runs)}
      </p>
      <ul className={classes.due}>
        {cell.schedules.map(({ schedule, runs }) => (
          <li key={schedule.schedule_id}>
            <Link
              to="/schedules"
              search={{ ...search, schedule: schedule.schedule_id }}
              className={panel.link}
              dir="auto"
            >
              {schedule.name}
            </Link>
            <span className={classes.pipeline} dir="auto">
              {schedule.pipeline_name}
            </span>
            <span className="numeric">{texts.runs(formatNumber(runs), runs)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
