import type { Attempt } from "@/api/deliveries";
import { formatExact } from "@/ui/format/times";
import { Duration } from "@/ui/format/Values";
import { TextViewer } from "@/ui/text/TextViewer";
import classes from "./Deliveries.module.css";
import { HeaderList } from "./HeaderList";
import { strings } from "./strings";

/** How the receiver answered an attempt. */
export function AttemptResponse({ attempt }: { attempt: Attempt }) {
  const { status_code, response_headers, response_excerpt } = attempt;
  return (
    <>
      <div className={classes.line}>
        <span className="numeric">
          {status_code === null ? strings.noResponse : strings.status(status_code)}
        </span>
        <span className="dimmed">
          {formatExact(new Date(attempt.at))} · <Duration ms={attempt.duration_ms} />
        </span>
      </div>
      {attempt.error !== null && <p className={classes.error}>{attempt.error}</p>}
      {response_headers !== null && <HeaderList headers={response_headers} />}
      {response_excerpt !== null && (
        <section>
          <h2 className={classes.heading}>{strings.responseBody}</h2>
          {response_excerpt === "" ? (
            <p className={classes.note}>{strings.emptyBody}</p>
          ) : (
            <TextViewer text={response_excerpt} label={strings.responseBody} />
          )}
        </section>
      )}
    </>
  );
}
