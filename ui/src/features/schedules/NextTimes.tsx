import type { Preview } from "@/api/schedules";
import classes from "./Schedules.module.css";
import { strings } from "./strings";
import { viewerZone, zoneTime } from "./times";

/** The next times of an expression in the zone of the viewer and in its own, with what changes of the clock do. */
export function NextTimes({ preview }: { preview: Preview }) {
  const mine = viewerZone();
  const isSame = mine === preview.timezone;
  return (
    <table className={classes.times} aria-label={strings.nextTimes}>
      <thead>
        <tr>
          <th scope="col">{strings.yourTime(mine)}</th>
          {!isSame && <th scope="col">{strings.scheduleTime(preview.timezone)}</th>}
        </tr>
      </thead>
      <tbody>
        {preview.next.map((firing) => (
          <tr key={firing.run_at}>
            <td>
              <time dateTime={firing.run_at}>{zoneTime(firing, mine)}</time>
              {firing.note !== null && <span className={classes.note}>{firing.note}</span>}
            </td>
            {!isSame && <td>{zoneTime(firing, preview.timezone)}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
