import { Alert } from "@mantine/core";
import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { type Delivery, deliveryQuery } from "@/api/deliveries";
import { savedPipelineQuery } from "@/api/pipelines";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { shortId } from "@/ui/format/ids";
import { RelativeTime } from "@/ui/format/Values";
import { useKeys } from "@/ui/keys/useKeys";
import { PageHeader } from "@/ui/PageHeader";
import { StatusBadge } from "@/ui/StatusBadge";
import { Message } from "@/ui/text/Message";
import { AttemptList } from "./AttemptList";
import classes from "./Deliveries.module.css";
import { RedeliverButton, targetText } from "./parts";
import type { DeliverySearch } from "./search";
import { strings } from "./strings";

const AttemptDetail = lazy(() => import("./AttemptDetail"));

type Props = { deliveryId: string; search: DeliverySearch };

/** One delivery with its attempts. The address selects an attempt; without one, the last is shown. */
export function DeliveryPage({ deliveryId, search }: Props) {
  const { data: delivery } = useSuspenseQuery(deliveryQuery(deliveryId));
  const navigate = useNavigate();
  const { attempts } = delivery;
  const shown = attempts.find(({ number }) => number === search.attempt) ?? attempts.at(-1);
  const move = (by: 1 | -1) => {
    const next = attempts[attempts.findIndex(({ number }) => number === shown?.number) + by];
    if (next === undefined) return;
    void navigate({
      to: "/deliveries/$deliveryId",
      params: { deliveryId },
      search: { ...search, attempt: next.number },
      replace: true,
      resetScroll: false,
    });
  };
  useKeys(strings.deliveries, [
    { key: "j", label: "Next attempt", run: () => move(1) },
    { key: "k", label: "Previous attempt", run: () => move(-1) },
  ]);
  return (
    <>
      <Header delivery={delivery} />
      {delivery.status === "failed" && delivery.error !== null && (
        <Alert color="red" title={strings.failed} className={classes.problem}>
          <Message text={delivery.error} />
        </Alert>
      )}
      {shown === undefined ? (
        <p className={classes.note}>
          {delivery.status === "pending" ? strings.noAttemptsYet : strings.noAttempts}
        </p>
      ) : (
        <div className={classes.layout}>
          <AttemptList delivery={delivery} shown={shown.number} search={search} />
          <Suspense fallback={<TextSkeleton lines={8} />}>
            <AttemptDetail delivery={delivery} attempt={shown} search={search} />
          </Suspense>
        </div>
      )}
    </>
  );
}

function Header({ delivery }: { delivery: Delivery }) {
  const { data: pipeline } = useQuery(savedPipelineQuery(delivery.pipeline_id));
  const name = pipeline?.name ?? strings.unnamed;
  return (
    <PageHeader
      title={strings.delivery(delivery.id)}
      parents={[
        { label: strings.pipelines, href: "/pipelines" },
        { label: name, href: `/pipelines/${delivery.pipeline_id}/deliveries` },
      ]}
      beside={
        <span role="status" aria-label={strings.columns.status}>
          <StatusBadge status={delivery.status} />
        </span>
      }
      description={<Facts delivery={delivery} pipeline={name} />}
      actions={<RedeliverButton delivery={delivery} />}
    />
  );
}

function Facts({ delivery, pipeline }: { delivery: Delivery; pipeline: string }) {
  const { run_id, pipeline_id } = delivery;
  return (
    <dl className={classes.facts}>
      <dt>{strings.columns.target}</dt>
      <dd className="mono">{targetText(delivery)}</dd>
      <dt>{strings.columns.event}</dt>
      <dd>{delivery.event}</dd>
      <dt>{strings.place}</dt>
      <dd className="mono">{delivery.target_path}</dd>
      <dt>{strings.pipeline}</dt>
      <dd>
        <Link to="/pipelines/$id/deliveries" params={{ id: pipeline_id }} className={classes.link}>
          {pipeline}
        </Link>{" "}
        {strings.version(delivery.pipeline_version)}
      </dd>
      <dt>{strings.columns.run}</dt>
      <dd>
        {run_id === null ? (
          strings.test
        ) : (
          <Link
            to="/runs/$runId"
            params={{ runId: run_id }}
            search={{ panel: "deliveries" }}
            className={`mono ${classes.link}`}
          >
            {shortId(run_id)}
          </Link>
        )}
      </dd>
      <dt>{strings.columns.created}</dt>
      <dd>
        <RelativeTime time={delivery.created_at} />
      </dd>
      <dt>{strings.id}</dt>
      <dd className="mono">{delivery.id}</dd>
    </dl>
  );
}
