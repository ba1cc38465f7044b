import { type KeyboardEvent, useState } from "react";
import { LOCALE } from "@/ui/format/locale";
import { formatCompact } from "@/ui/format/numbers";
import { strings } from "../strings";
import { type Day, dayText, type HourRow, rowsOf, type Slot, slotOf } from "./days";
import { type Cell, levelOf } from "./density";
import classes from "./Week.module.css";

const texts = strings.week;
const HOUR_MS = 3_600_000;
const HOUR = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
const weekday = new Intl.DateTimeFormat(LOCALE, { weekday: "short" });
const dayOfMonth = new Intl.DateTimeFormat(LOCALE, { day: "numeric" });
const hourOfDay = new Intl.DateTimeFormat(LOCALE, HOUR);
const exact = new Intl.DateTimeFormat(LOCALE, {
  weekday: "short",
  month: "short",
  day: "numeric",
  ...HOUR,
});

type Props = {
  days: readonly Day[];
  cellAt: (start: number) => Cell;
  now: number;
  /** The start of the hour whose schedules are listed. */
  opened: number | null;
  isLoading: boolean;
  onOpen: (start: number) => void;
};

/** The hours of seven days as a table. Arrow keys move between hours in which runs are due. */
export function WeekGrid({ days, cellAt, now, opened, isLoading, onOpen }: Props) {
  const rows = rowsOf(days);
  const [focused, setFocused] = useState<number | null>(null);
  const due = days.flatMap(({ slots }) => slots).filter(({ start }) => cellAt(start).runs > 0);
  const tabStop = [focused, opened].find((at) => due.some(({ start }) => start === at));
  return (
    <table
      className={classes.grid}
      aria-label={texts.label}
      aria-busy={isLoading}
      onKeyDown={moveFocus}
    >
      <thead>
        <tr>
          <td />
          {days.map((day) => (
            <DayHead key={dayText(day.date)} day={day} now={now} />
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row, rowIndex) => (
          <tr key={`${row.hour} ${row.round}`} data-quarter={row.hour % 6 === 0}>
            <th scope="row">{hourText(row)}</th>
            {days.map((day, dayIndex) => {
              const slot = slotOf(day, row);
              const key = dayText(day.date);
              if (slot === undefined) {
                return <td key={key} className={classes.none} title={texts.noHour} />;
              }
              return (
                <HourCell
                  key={key}
                  slot={slot}
                  cell={cellAt(slot.start)}
                  now={now}
                  isOpened={slot.start === opened}
                  isTabStop={slot.start === (tabStop ?? due[0]?.start)}
                  place={{ row: rowIndex, day: dayIndex }}
                  onFocus={() => setFocused(slot.start)}
                  onOpen={() => onOpen(slot.start)}
                />
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function DayHead({ day: { date, slots }, now }: { day: Day; now: number }) {
  return (
    <th scope="col" data-today={dayText(date) === dayText(new Date(now))}>
      <span className={classes.weekday}>{weekday.format(date)}</span>
      <span className={classes.date}>{dayOfMonth.format(date)}</span>
      {slots.length !== 24 && (
        <span className={classes.change} title={texts.change}>
          {texts.hours(slots.length)}
        </span>
      )}
    </th>
  );
}

type CellProps = {
  slot: Slot;
  cell: Cell;
  now: number;
  isOpened: boolean;
  isTabStop: boolean;
  place: { row: number; day: number };
  onFocus: () => void;
  onOpen: () => void;
};

function HourCell({ slot, cell, now, isOpened, isTabStop, place, onFocus, onOpen }: CellProps) {
  const count = formatCompact(cell.runs);
  return (
    <td
      data-past={slot.start + HOUR_MS <= now}
      data-now={slot.start <= now && now < slot.start + HOUR_MS}
    >
      {cell.runs > 0 && (
        <button
          type="button"
          className={classes.cell}
          data-level={levelOf(cell.runs)}
          data-row={place.row}
          data-day={place.day}
          aria-label={texts.runsAt(count, cell.runs, exact.format(slot.start))}
          aria-pressed={isOpened}
          tabIndex={isTabStop ? 0 : -1}
          onFocus={onFocus}
          onClick={onOpen}
        >
          {count}
        </button>
      )}
    </td>
  );
}

function hourText({ hour, round }: HourRow): string {
  const text = hourOfDay.format(new Date(2026, 0, 1, hour));
  return round === 0 ? text : texts.again(text);
}

/** Move to the next hour with runs in the direction of an arrow key. */
function moveFocus(event: KeyboardEvent<HTMLTableElement>): void {
  const step = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const from = event.target instanceof HTMLElement ? event.target.dataset : {};
  if (step === undefined || from.row === undefined) return;
  const isVertical = event.key === "ArrowUp" || event.key === "ArrowDown";
  const [fixed, moving] = isVertical ? (["day", "row"] as const) : (["row", "day"] as const);
  const line = event.currentTarget.querySelectorAll<HTMLElement>(
    `button[data-${fixed}="${from[fixed]}"]`,
  );
  const distance = (button: HTMLElement) =>
    (Number(button.dataset[moving]) - Number(from[moving])) * step;
  const [next] = [...line]
    .filter((button) => distance(button) > 0)
    .sort((one, other) => distance(one) - distance(other));
  event.preventDefault();
  next?.focus();
}
