import { Anchor } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Send } from "lucide-react";
import { type Attempt, type Delivery, runDeliveriesQuery } from "@/api/deliveries";
import type { Run } from "@/api/run";
import { RedeliverButton, targetText } from "@/features/deliveries/parts";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TableSkeleton } from "@/ui/feedback/Skeletons";
import { Duration, RelativeTime } from "@/ui/format/Values";
import { StatusBadge } from "@/ui/StatusBadge";
import { Message } from "@/ui/text/Message";
import classes from "./RunPanels.module.css";
import { strings } from "./strings";

const texts = strings.deliveries;

/** The deliveries of the run. Each attempt links to its request and response. */
export default function Deliveries({ run }: { run: Run }) {
  const { data, error, refetch } = useQuery(runDeliveriesQuery(run.id));
  if (error)
    return <ErrorState error={error} title={texts.notLoaded} onRetry={() => void refetch()} />;
  if (data === undefined) return <TableSkeleton columns={4} rows={3} />;
  if (data.data.length === 0) {
    return (
      <EmptyState title={texts.none} icon={Send}>
        {texts.noneText}
      </EmptyState>
    );
  }
  return (
    <section aria-label={texts.list}>
      {data.data.map((delivery) => (
        <OneDelivery key={delivery.id} delivery={delivery} />
      ))}
      <p className={classes.note}>
        <Anchor
          renderRoot={(props) => (
            <Link to="/pipelines/$id/deliveries" params={{ id: run.pipeline_id }} {...props} />
          )}
        >
          {texts.all}
        </Anchor>
      </p>
    </section>
  );
}

function OneDelivery({ delivery }: { delivery: Delivery }) {
  return (
    <article className={classes.delivery} aria-label={targetText(delivery)}>
      <div className={classes.deliveryHead}>
        <StatusBadge status={delivery.status} />
        <Link
          to="/deliveries/$deliveryId"
          params={{ deliveryId: delivery.id }}
          className={`mono ${classes.target}`}
        >
          {targetText(delivery)}
        </Link>
        <span className="dimmed">{delivery.event}</span>
        <RelativeTime time={delivery.created_at} />
        <RedeliverButton delivery={delivery} isSmall />
      </div>
      {delivery.error !== null && (
        <p className={classes.deliveryError}>
          <Message text={delivery.error} />
        </p>
      )}
      <ol className={classes.attempts}>
        {delivery.attempts.map((attempt) => (
          <OneAttempt key={attempt.number} deliveryId={delivery.id} attempt={attempt} />
        ))}
      </ol>
    </article>
  );
}

function OneAttempt({ deliveryId, attempt }: { deliveryId: string; attempt: Attempt }) {
  return (
    <li>
      <Link
        to="/deliveries/$deliveryId"
        params={{ deliveryId }}
        search={{ attempt: attempt.number }}
        className={classes.attempt}
      >
        <span className={classes.target}>{texts.attempt(attempt.number)}</span>
        <RelativeTime time={attempt.at} />
        <span className="numeric">
          {attempt.status_code === null ? "–" : texts.status(attempt.status_code)}
        </span>
        <Duration ms={attempt.duration_ms} />
        {attempt.error !== null && (
          <span className="dimmed">
            <Message text={attempt.error} />
          </span>
        )}
      </Link>
    </li>
  );
}
