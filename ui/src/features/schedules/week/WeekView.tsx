import { ActionIcon, Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ChevronLeft, ChevronRight } from "lucide-react";
import { densityQuery } from "@/api/schedules";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { LOCALE } from "@/ui/format/locale";
import { useNow } from "@/ui/format/useNow";
import type { SchedulesSearch } from "../search";
import { strings } from "../strings";
import { viewerZone } from "../times";
import { CellPanel } from "./CellPanel";
import { addDays, dayText, firstDay, hoursOf, weekFrom } from "./days";
import { cellsOf } from "./density";
import classes from "./Week.module.css";
import { WeekGrid } from "./WeekGrid";

const texts = strings.week;
const DAYS = 7;
const range = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium" });

type Props = {
  search: SchedulesSearch;
  onChange: (changes: Partial<SchedulesSearch>) => void;
  /** Whether the panel of a schedule is shown. It covers that of an hour. */
  hasPanel: boolean;
};

/** How many runs are due in each hour of seven days. */
export default function WeekView({ search, onChange, hasPanel }: Props) {
  const now = useNow();
  const today = firstDay(undefined, now);
  const first = firstDay(search.from, now);
  const days = weekFrom(first);
  const start = first.getTime();
  const density = useQuery(densityQuery(start, hoursOf(days), search.pipeline));
  const cellAt = cellsOf(density.data?.schedules ?? [], start);
  const show = (date: Date) => {
    const isToday = date.getTime() <= today.getTime();
    onChange({ from: isToday ? undefined : dayText(date), at: undefined });
  };
  const opened = search.at === undefined ? null : Date.parse(search.at);
  const isEmpty = density.data?.schedules.length === 0;
  if (density.isError) {
    return (
      <ErrorState
        error={density.error}
        title={texts.notLoaded}
        onRetry={() => void density.refetch()}
      />
    );
  }
  return (
    <>
      <section aria-label={texts.label} className={classes.week}>
        <div className={classes.bar}>
          <ActionIcon
            aria-label={texts.previous}
            disabled={first.getTime() <= today.getTime()}
            onClick={() => show(addDays(first, -DAYS))}
          >
            <ChevronLeft size={16} aria-hidden />
          </ActionIcon>
          <ActionIcon aria-label={texts.next} onClick={() => show(addDays(first, DAYS))}>
            <ChevronRight size={16} aria-hidden />
          </ActionIcon>
          <Button variant="default" onClick={() => show(today)}>
            {texts.today}
          </Button>
          <h2 className={classes.range}>{range.formatRange(first, addDays(first, DAYS - 1))}</h2>
          <span className={classes.zone}>{strings.yourTime(viewerZone())}</span>
        </div>
        {isEmpty && (
          <p role="status" className={classes.notice}>
            {texts.nothing}
          </p>
        )}
        {density.data?.is_complete === false && (
          <p role="status" className={classes.notice}>
            {texts.incomplete}
          </p>
        )}
        <WeekGrid
          days={days}
          cellAt={cellAt}
          now={now}
          opened={opened}
          isLoading={density.isPending}
          onOpen={(at) => onChange({ at: new Date(at).toISOString(), schedule: undefined })}
        />
      </section>
      {opened !== null && !hasPanel && !density.isPending && (
        <CellPanel
          at={opened}
          cell={cellAt(opened)}
          search={search}
          onClose={() => onChange({ at: undefined })}
        />
      )}
    </>
  );
}
