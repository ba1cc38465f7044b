import { Button } from "@mantine/core";
import { useState } from "react";
import { type Pipeline, useArchivePipeline } from "@/api/pipelines";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { toast } from "@/ui/feedback/toast";
import classes from "./PipelineSettings.module.css";
import { strings } from "./strings";

/** Archives the pipeline, or restores it, after a question. */
export function Archive({ pipeline: { id, name, status } }: { pipeline: Pipeline }) {
  const [isAsking, setAsking] = useState(false);
  const archive = useArchivePipeline(id);
  const isArchived = status === "archived";
  const texts = isArchived
    ? {
        title: strings.restoreTitle,
        text: strings.restoreText,
        action: strings.restore,
        question: strings.restoreQuestion(name),
        answer: strings.restoreText,
        done: strings.restored,
        failed: strings.notRestored,
      }
    : {
        title: strings.archiveTitle,
        text: strings.archiveText,
        action: strings.archive,
        question: strings.archiveQuestion(name),
        answer: strings.archiveAnswer,
        done: strings.archived,
        failed: strings.notArchived,
      };
  const confirm = () =>
    archive.mutate(!isArchived, {
      onSuccess: () => toast.success(texts.done),
      onError: (error) => toast.failure(texts.failed, error),
      onSettled: () => setAsking(false),
    });
  return (
    <section aria-labelledby="archive" className={classes.section}>
      <h2 id="archive" className={classes.heading}>
        {texts.title}
      </h2>
      <p className={classes.text}>{texts.text}</p>
      <Button className={classes.action} variant="default" onClick={() => setAsking(true)}>
        {texts.action}
      </Button>
      <ConfirmDialog
        isOpen={isAsking}
        title={texts.question}
        action={texts.action}
        isPending={archive.isPending}
        onClose={() => setAsking(false)}
        onConfirm={confirm}
      >
        {texts.answer}
      </ConfirmDialog>
    </section>
  );
}
