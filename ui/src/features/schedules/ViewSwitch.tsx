import { Link } from "@tanstack/react-router";
import { CalendarDays, List } from "lucide-react";
import classes from "./Schedules.module.css";
import type { SchedulesSearch } from "./search";
import { strings } from "./strings";

/** Links to the two views: a list, and a week with the number of runs in each hour. */
export function ViewSwitch({ search }: { search: SchedulesSearch }) {
  const { pipeline, view } = search;
  return (
    <nav aria-label={strings.view} className={classes.views}>
      <Link
        to="/schedules"
        search={{ pipeline }}
        className={classes.view}
        activeOptions={{ exact: true }}
        aria-current={view === undefined ? "page" : undefined}
      >
        <List size={16} aria-hidden />
        {strings.list}
      </Link>
      <Link
        to="/schedules"
        search={{ pipeline, view: "week" }}
        className={classes.view}
        activeOptions={{ exact: true }}
        aria-current={view === "week" ? "page" : undefined}
      >
        <CalendarDays size={16} aria-hidden />
        {strings.week.name}
      </Link>
    </nav>
  );
}
