import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Lock } from "lucide-react";
import { useCan } from "@/api/access";
import { savedPipelineQuery, useChangePipeline } from "@/api/pipelines";
import { toast } from "@/ui/feedback/toast";
import classes from "./EditorView.module.css";
import { strings } from "./strings";

/** Why the text of a pipeline that a repository manages is locked, and how to edit it here. */
export function ManagedNotice({ id }: { id: string }) {
  const { data: pipeline } = useQuery(savedPipelineQuery(id));
  const change = useChangePipeline(id);
  const canWrite = useCan("pipelines:write");
  if (!pipeline?.managed_by) return null;
  const unlock = () =>
    change.mutate(
      { managed_by: null },
      {
        onSuccess: () => toast.success(strings.unlocked),
        onError: (error) => toast.failure(strings.unlockFailed, error),
      },
    );
  return (
    <div className={classes.notice} role="note">
      <Lock size={16} aria-hidden className={classes.lock} />
      <span className={classes.managed}>
        {pipeline.source === null ? (
          strings.managed
        ) : (
          <>
            {strings.managedFrom} <code className="mono">{pipeline.source}</code>.
          </>
        )}{" "}
        {strings.managedHint}
      </span>
      {canWrite && pipeline.status !== "archived" && (
        <Button size="compact-sm" variant="default" loading={change.isPending} onClick={unlock}>
          {strings.unlock}
        </Button>
      )}
    </div>
  );
}
