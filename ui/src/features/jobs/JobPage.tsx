import { useSuspenseQuery } from "@tanstack/react-query";
import { bulkJobQuery, isOver } from "@/api/bulkJobs";
import { RelativeTime } from "@/ui/format/Values";
import { PageHeader } from "@/ui/PageHeader";
import { StatusBadge } from "@/ui/StatusBadge";
import { JobItems } from "./JobItems";
import { JobProgress } from "./JobProgress";
import { StopButton } from "./StopButton";
import type { JobSearch } from "./search";
import { strings } from "./strings";

/** The progress of a job. It can be left: the job continues on the server. */
export function JobPage({ jobId, search }: { jobId: string; search: JobSearch }) {
  const { data: job } = useSuspenseQuery(bulkJobQuery(jobId));
  return (
    <>
      <PageHeader
        title={job.name}
        parents={[
          { label: strings.runs, href: "/runs" },
          { label: strings.jobs, href: "/jobs" },
        ]}
        beside={
          <div role="status" aria-label={strings.columns.status}>
            <StatusBadge status={job.status} label={strings.statuses[job.status]} />
          </div>
        }
        description={
          <>
            {strings.actions[job.action]} · <RelativeTime time={job.created_at} />
          </>
        }
        actions={!isOver(job) && <StopButton jobId={jobId} />}
      />
      <JobProgress job={job} />
      <JobItems job={job} status={search.items} />
    </>
  );
}
