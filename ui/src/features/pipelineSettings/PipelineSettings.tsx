import { useSuspenseQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { useCan, useDenied } from "@/api/access";
import { savedPipelineQuery } from "@/api/pipelines";
import { TableSkeleton } from "@/ui/feedback/Skeletons";
import { Archive } from "./Archive";
import { DetailsForm } from "./DetailsForm";
import classes from "./PipelineSettings.module.css";
import { strings } from "./strings";

const PipelineSecrets = lazy(() => import("./PipelineSecrets"));

/** What can be changed about a pipeline without a new version. */
export function PipelineSettings({ id }: { id: string }) {
  const { data: pipeline } = useSuspenseQuery(savedPipelineQuery(id));
  const canWrite = useCan("pipelines:write");
  const denied = useDenied("pipelines:write", "change the pipeline");
  if (pipeline === null) return null;
  return (
    <div className={classes.page}>
      <section aria-labelledby="details">
        <h2 id="details" className={classes.heading}>
          {strings.details}
        </h2>
        <p className={classes.text}>
          {denied ?? (pipeline.status === "archived" ? strings.archivedText : strings.detailsText)}
        </p>
        <DetailsForm pipeline={pipeline} />
      </section>
      <Suspense fallback={<TableSkeleton columns={4} rows={3} />}>
        <PipelineSecrets id={id} />
      </Suspense>
      {canWrite && <Archive pipeline={pipeline} />}
    </div>
  );
}
