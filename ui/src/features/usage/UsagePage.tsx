import { Button, SegmentedControl } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { exportUsage, usageQuery } from "@/api/usage";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { toast } from "@/ui/feedback/toast";
import { saveBlob } from "@/ui/files";
import { formatCompact, formatMoney, formatNumber } from "@/ui/format/numbers";
import { PageHeader } from "@/ui/PageHeader";
import { DataTable } from "@/ui/table/DataTable";
import { Quotas } from "./Quotas";
import {
  daysOf,
  GROUPS,
  lastDays,
  MEASURES,
  type Measure,
  periodOf,
  type UsageSearch,
} from "./search";
import { seriesColumns } from "./seriesColumns";
import { layersOf, stacksOf } from "./stacks";
import { strings } from "./strings";
import { Totals } from "./Totals";
import classes from "./Usage.module.css";
import { UsageChart } from "./UsageChart";

const route = getRouteApi("/_app/usage");
const PERIODS = [7, 30, 90, 365] as const;
const FORMATS: Record<Measure, (value: number) => string> = {
  cost: formatMoney,
  tokens: formatCompact,
  runs: formatNumber,
};

export function UsagePage() {
  const search = route.useSearch();
  const navigate = useNavigate({ from: "/usage" });
  // A period that ends today must not change while the page is open.
  const [now] = useState(Date.now);
  const period = periodOf(search, now);
  const { by = "model", show = "cost" } = search;
  const { data: usage } = useSuspenseQuery(usageQuery(period, by));
  const set = (changes: UsageSearch) =>
    void navigate({ search: (before) => ({ ...before, ...changes }), replace: true });
  const days = daysOf(period);
  const layers = layersOf(usage, show, strings.others);
  const isEmpty = usage.series.length === 0 && usage.runs.total === 0;
  return (
    <>
      <PageHeader
        title={strings.title}
        description={strings.description}
        actions={
          <Button
            variant="default"
            onClick={() =>
              void exportUsage(period, by)
                .then((csv) => saveBlob(csv, `usage-${period.from}-${period.to}.csv`))
                .catch((error) => toast.failure(strings.csvFailed, error))
            }
          >
            {strings.csv}
          </Button>
        }
      />
      <div className={classes.controls}>
        <SegmentedControl
          aria-label={strings.period}
          value={String(days.length)}
          onChange={(value) => set(lastDays(Number(value), now))}
          data={PERIODS.map((count) => ({ value: String(count), label: strings.periods[count] }))}
        />
        <SegmentedControl
          aria-label={strings.groupBy}
          value={by}
          onChange={(value) => set({ by: value })}
          data={GROUPS.map((value) => ({ value, label: strings.groups[value] }))}
        />
        <SegmentedControl
          aria-label={strings.show}
          value={show}
          onChange={(value) => set({ show: value })}
          data={MEASURES.map((value) => ({ value, label: strings.measures[value] }))}
        />
      </div>
      <Totals usage={usage} />
      {isEmpty ? (
        <EmptyState title={strings.none}>{strings.noneText}</EmptyState>
      ) : (
        <>
          <UsageChart
            stacks={stacksOf(usage, days, layers, show)}
            layers={layers}
            format={FORMATS[show]}
          />
          {usage.series.length > 0 && (
            <DataTable
              label={strings.groups[by]}
              columns={seriesColumns(by)}
              rows={usage.series}
              rowId={(entry) => entry.key}
            />
          )}
        </>
      )}
      <Quotas quotas={usage.quotas} />
    </>
  );
}
