import { Link } from "@tanstack/react-router";
import type { Attempt, Delivery } from "@/api/deliveries";
import { Duration, RelativeTime } from "@/ui/format/Values";
import { type Status, StatusIcon } from "@/ui/StatusBadge";
import classes from "./Deliveries.module.css";
import type { DeliverySearch } from "./search";
import { strings } from "./strings";

type Props = { delivery: Delivery; shown: number; search: DeliverySearch };

/** The attempts of a delivery, each with its result. */
export function AttemptList({ delivery, shown, search }: Props) {
  return (
    <nav aria-label={strings.columns.attempts}>
      <ol className={classes.attempts}>
        {delivery.attempts.map((attempt) => (
          <li key={attempt.number}>
            <Link
              to="/deliveries/$deliveryId"
              params={{ deliveryId: delivery.id }}
              search={{ ...search, attempt: attempt.number }}
              replace
              resetScroll={false}
              className={classes.attempt}
              aria-current={attempt.number === shown ? "true" : undefined}
            >
              <StatusIcon status={statusOf(attempt, delivery)} />
              <span className={classes.attemptName}>{strings.attempt(attempt.number)}</span>
              <span className="numeric">{resultOf(attempt, delivery)}</span>
              <span className={classes.attemptTimes}>
                <RelativeTime time={attempt.at} />
                <Duration ms={attempt.duration_ms} />
              </span>
            </Link>
          </li>
        ))}
      </ol>
    </nav>
  );
}

function isInFlight(attempt: Attempt, delivery: Delivery): boolean {
  return delivery.status === "pending" && attempt.error === null && attempt.duration_ms === null;
}

function statusOf(attempt: Attempt, delivery: Delivery): Status {
  if (isInFlight(attempt, delivery)) return "running";
  return attempt.error === null ? "delivered" : "failed";
}

function resultOf(attempt: Attempt, delivery: Delivery): string {
  if (isInFlight(attempt, delivery)) return strings.inFlight;
  if (attempt.status_code !== null) return strings.status(attempt.status_code);
  return delivery.target.type === "email" ? "" : strings.noStatus;
}
