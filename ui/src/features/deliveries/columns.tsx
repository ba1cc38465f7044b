import { Link } from "@tanstack/react-router";
import type { Delivery } from "@/api/deliveries";
import { shortId } from "@/ui/format/ids";
import { RelativeTime } from "@/ui/format/Values";
import { StatusBadge } from "@/ui/StatusBadge";
import type { Column } from "@/ui/table/columns";
import { attemptCount } from "./attempts";
import classes from "./Deliveries.module.css";
import { targetText } from "./parts";
import { strings } from "./strings";

export const COLUMNS: readonly Column<Delivery>[] = [
  {
    id: "status",
    header: strings.columns.status,
    width: "120px",
    cell: ({ status }) => <StatusBadge status={status} />,
  },
  {
    id: "target",
    header: strings.columns.target,
    cell: (delivery) => (
      <Link
        to="/deliveries/$deliveryId"
        params={{ deliveryId: delivery.id }}
        className={`${classes.link} ${classes.target}`}
      >
        {targetText(delivery)}
      </Link>
    ),
  },
  {
    id: "event",
    header: strings.columns.event,
    width: "200px",
    wideOnly: true,
    cell: ({ event }) => <span className="dimmed">{event}</span>,
  },
  {
    id: "run",
    header: strings.columns.run,
    width: "104px",
    wideOnly: true,
    cell: ({ run_id }) =>
      run_id === null ? (
        <span className="dimmed">{strings.test}</span>
      ) : (
        <Link to="/runs/$runId" params={{ runId: run_id }} className={`mono ${classes.link}`}>
          {shortId(run_id)}
        </Link>
      ),
  },
  {
    id: "attempts",
    header: strings.columns.attempts,
    width: "88px",
    align: "end",
    wideOnly: true,
    cell: (delivery) => <span className="numeric">{attemptCount(delivery)}</span>,
  },
  {
    id: "created",
    header: strings.columns.created,
    width: "120px",
    wideOnly: true,
    cell: ({ created_at }) => <RelativeTime time={created_at} />,
  },
];
