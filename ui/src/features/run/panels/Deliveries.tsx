import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Send } from "lucide-react";
import { type Delivery, deliveriesQuery, type Run, useRedeliver } from "@/api/run";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TableSkeleton } from "@/ui/feedback/Skeletons";
import { toast } from "@/ui/feedback/toast";
import { Duration, RelativeTime } from "@/ui/format/Values";
import { StatusBadge } from "@/ui/StatusBadge";
import classes from "./RunPanels.module.css";
import { strings } from "./strings";

const texts = strings.deliveries;
const PENDING_MS = 2000;

/** The deliveries of the run, with each attempt and its response. */
export default function Deliveries({ run }: { run: Run }) {
  const { data, error, refetch } = useQuery({
    ...deliveriesQuery(run.id),
    refetchInterval: ({ state }) =>
      state.data?.data.some(({ status }) => status === "pending") ? PENDING_MS : false,
  });
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
        <OneDelivery key={delivery.id} run={run} delivery={delivery} />
      ))}
    </section>
  );
}

function OneDelivery({ run, delivery }: { run: Run; delivery: Delivery }) {
  const redeliver = useRedeliver(run.id);
  const { target } = delivery;
  const send = () =>
    redeliver.mutate(delivery.id, {
      onSuccess: () => toast.success(texts.redelivered),
      onError: (error) => toast.failure(texts.redeliverFailed, error),
    });
  return (
    <article className={classes.delivery}>
      <div className={classes.deliveryHead}>
        <StatusBadge status={delivery.status} />
        <code className="mono">{target.url ?? target.to ?? target.type}</code>
        <span className="dimmed">{delivery.event}</span>
        <RelativeTime time={delivery.created_at} />
        <Button
          variant="default"
          size="compact-sm"
          disabled={delivery.status === "pending"}
          loading={redeliver.isPending}
          onClick={send}
        >
          {texts.redeliver}
        </Button>
      </div>
      {delivery.error !== null && <p className={classes.deliveryError}>{delivery.error}</p>}
      <ol className={classes.attempts}>
        {delivery.attempts.map((attempt) => (
          <Attempt key={attempt.number} attempt={attempt} />
        ))}
      </ol>
    </article>
  );
}

function Attempt({ attempt }: { attempt: Delivery["attempts"][number] }) {
  const headers = Object.entries(attempt.response_headers ?? {});
  return (
    <li className={classes.attempt}>
      <details>
        <summary>
          <span>{texts.attempt(attempt.number)}</span>
          <RelativeTime time={attempt.at} />
          <span className="numeric">
            {attempt.status_code === null ? "–" : texts.status(attempt.status_code)}
          </span>
          <Duration ms={attempt.duration_ms} />
          {attempt.error !== null && <span className="dimmed">{attempt.error}</span>}
        </summary>
        {headers.length > 0 && (
          <section aria-label={texts.headers} className={classes.excerpt}>
            {headers.map(([name, value]) => `${name}: ${value}`).join("\n")}
          </section>
        )}
        {attempt.response_excerpt !== null && (
          <section aria-label={texts.response} className={classes.excerpt}>
            {attempt.response_excerpt}
          </section>
        )}
      </details>
    </li>
  );
}
