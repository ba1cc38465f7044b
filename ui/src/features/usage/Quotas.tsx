import { Badge, Progress } from "@mantine/core";
import type { QuotaUsage } from "@/api/usage";
import { formatNumber } from "@/ui/format/numbers";
import { RelativeTime } from "@/ui/format/Values";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import { LIMIT_NAMES } from "./limitNames";
import { strings } from "./strings";
import classes from "./Usage.module.css";

/** The limits of the plan. Shows nothing for a plan without limits. */
export function Quotas({ quotas: all }: { quotas: readonly QuotaUsage[] }) {
  const quotas = all.filter(({ limit }) => limit !== null);
  if (quotas.length === 0) return null;
  return (
    <section className={classes.section} aria-labelledby="limits">
      <h2 id="limits" className={classes.heading}>
        {strings.limits}
      </h2>
      {quotas.some(({ overridden }) => overridden) && (
        <p className={classes.explanation}>{strings.changedText}</p>
      )}
      <DataTable
        label={strings.limits}
        columns={COLUMNS}
        rows={quotas}
        rowId={(quota) => quota.name}
      />
    </section>
  );
}

function nameOf(quota: QuotaUsage): string {
  return LIMIT_NAMES[quota.name] ?? quota.name;
}

const COLUMNS: Column<QuotaUsage>[] = [
  {
    id: "name",
    header: strings.limit,
    cell: (quota) => (
      <span className={classes.quota}>
        {nameOf(quota)}
        {quota.overridden && (
          <Badge variant="outline" color="gray" tt="none" className={classes.badge}>
            {strings.changed}
          </Badge>
        )}
      </span>
    ),
  },
  {
    id: "used",
    header: strings.used,
    align: "end",
    cell: ({ used, limit }) => (
      <span className="numeric">
        {formatNumber(used)} / {limit !== null && formatNumber(limit)}
      </span>
    ),
  },
  {
    id: "share",
    header: <span className="visually-hidden">Share</span>,
    width: "160px",
    wideOnly: true,
    cell: (quota) => {
      const { used, limit } = quota;
      if (limit === null) return null;
      const share = limit === 0 ? 100 : Math.min(100, (100 * used) / limit);
      const label = `${nameOf(quota)}: ${Math.round(share)} %`;
      return <Progress value={share} color={share >= 90 ? "red" : undefined} aria-label={label} />;
    },
  },
  {
    id: "resets",
    header: strings.resets,
    width: "120px",
    wideOnly: true,
    cell: ({ resets_at: time }) => time !== null && <RelativeTime time={time} />,
  },
];
