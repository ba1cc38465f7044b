import { Alert, Anchor } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { TriangleAlert } from "lucide-react";
import { type BulkJob, isOver } from "@/api/bulkJobs";
import { formatNumber } from "@/ui/format/numbers";
import { Duration } from "@/ui/format/Values";
import { DataTable } from "@/ui/table/DataTable";
import classes from "./Jobs.module.css";
import { strings } from "./strings";

/** How far a job is, and why items failed. */
export function JobProgress({ job }: { job: BulkJob }) {
  const { total, done, failed } = job;
  const left = total - done - failed;
  const facts = [
    { label: strings.total, value: formatNumber(total) },
    { label: strings.done(job.action), value: formatNumber(done) },
    { label: strings.failedItems, value: formatNumber(failed) },
    { label: strings.left, value: formatNumber(left) },
  ];
  return (
    <>
      <ProgressBar job={job} />
      <dl className={classes.facts}>
        {facts.map(({ label, value }) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd className="numeric">{value}</dd>
          </div>
        ))}
        {job.started_at && (
          <div>
            <dt>{strings.took}</dt>
            <dd>
              {isOver(job) && job.completed_at ? (
                <Duration ms={Date.parse(job.completed_at) - Date.parse(job.started_at)} />
              ) : (
                <Duration since={job.started_at} />
              )}
            </dd>
          </div>
        )}
      </dl>
      {job.has_more && (
        <Alert color="yellow" icon={<TriangleAlert size={16} aria-hidden />} mb="md">
          {strings.hasMore}
        </Alert>
      )}
      {job.failures.length > 0 && (
        <section className={classes.section}>
          <h2 className={classes.heading}>{strings.failures}</h2>
          <DataTable
            label={strings.failures}
            rows={job.failures}
            rowId={({ code }) => code}
            columns={[
              {
                id: "code",
                header: strings.columns.code,
                cell: ({ code }) => <code className={`mono ${classes.failed}`}>{code}</code>,
              },
              {
                id: "count",
                header: strings.columns.count,
                align: "end",
                cell: ({ count }) => <span className="numeric">{formatNumber(count)}</span>,
              },
              {
                id: "show",
                header: <span className="visually-hidden">{strings.showItems}</span>,
                align: "end",
                cell: () => (
                  <Anchor
                    renderRoot={(props) => (
                      <Link
                        to="/jobs/$jobId"
                        params={{ jobId: job.id }}
                        search={{ items: "failed" }}
                        {...props}
                      />
                    )}
                  >
                    {strings.showItems}
                  </Anchor>
                ),
              },
            ]}
          />
        </section>
      )}
    </>
  );
}

/** Done and failed items as parts of all. */
export function ProgressBar({ job }: { job: BulkJob }) {
  const { total, done, failed } = job;
  const share = (count: number) => `${total === 0 ? 0 : (count / total) * 100}%`;
  return (
    <div
      role="progressbar"
      aria-label={strings.progress}
      aria-valuemin={0}
      aria-valuemax={total}
      aria-valuenow={done + failed}
      aria-valuetext={strings.progressOf(job)}
      className={classes.progress}
    >
      <span className={classes.done} style={{ width: share(done) }} />
      <span className={classes.failures} style={{ width: share(failed) }} />
    </div>
  );
}
