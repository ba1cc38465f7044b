import {
  Ban,
  Circle,
  CircleCheck,
  CircleDashed,
  CircleX,
  Hourglass,
  LoaderCircle,
  type LucideIcon,
  TriangleAlert,
} from "lucide-react";
import { formatNumber } from "./format/numbers";
import classes from "./StatusBadge.module.css";

const LOOKS = {
  pending: { label: "Pending", icon: Circle, tone: "pending" },
  running: { label: "Running", icon: LoaderCircle, tone: "running" },
  waiting: { label: "Waiting", icon: Hourglass, tone: "waiting" },
  completed: { label: "Completed", icon: CircleCheck, tone: "completed" },
  delivered: { label: "Delivered", icon: CircleCheck, tone: "completed" },
  approved: { label: "Approved", icon: CircleCheck, tone: "completed" },
  with_failures: { label: "Completed with failures", icon: TriangleAlert, tone: "waiting" },
  failed: { label: "Failed", icon: CircleX, tone: "failed" },
  rejected: { label: "Rejected", icon: CircleX, tone: "failed" },
  cancelled: { label: "Cancelled", icon: Ban, tone: "cancelled" },
  skipped: { label: "Skipped", icon: CircleDashed, tone: "skipped" },
} as const satisfies Record<string, { label: string; icon: LucideIcon; tone: string }>;

export type Status = keyof typeof LOOKS;

export function statusLabel(status: Status): string {
  return LOOKS[status].label;
}

/** The icon of a status. `label` is its name for assistive technology; without it, the icon is hidden there. */
export function StatusIcon({ status, label }: { status: Status; label?: string }) {
  const { icon: Icon, tone } = LOOKS[status];
  const name = label === undefined ? { "aria-hidden": true } : { role: "img", "aria-label": label };
  return <Icon size={16} className={`${classes.icon} ${classes[tone]}`} {...name} />;
}

/** A status as icon and text. `label` replaces the text. */
export function StatusBadge({ status, label }: { status: Status; label?: string }) {
  const { tone } = LOOKS[status];
  return (
    <span className={`${classes.badge} ${classes[tone]}`}>
      <StatusIcon status={status} />
      {label ?? LOOKS[status].label}
    </span>
  );
}

type RunStatusProps = { status: Status; failedSteps: number };

/** The status of a run as the badge shows it: amber if it completed although steps failed. */
export function runStatus({ status, failedSteps }: RunStatusProps) {
  const hasFailures = status === "completed" && failedSteps > 0;
  return hasFailures
    ? { status: "with_failures" as const, label: `Completed · ${formatNumber(failedSteps)} failed` }
    : { status, label: LOOKS[status].label };
}

export function RunStatusBadge(props: RunStatusProps) {
  return <StatusBadge {...runStatus(props)} />;
}

/** Marks what a test of the editor started. */
export function TestTag() {
  return <span className={classes.tag}>Test</span>;
}
