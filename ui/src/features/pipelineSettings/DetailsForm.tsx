import { Button, Textarea, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useCan } from "@/api/access";
import { asApiError } from "@/api/errors";
import { type Pipeline, type PipelineChanges, useChangePipeline } from "@/api/pipelines";
import { FormError } from "@/ui/feedback/FormError";
import { toast } from "@/ui/feedback/toast";
import { CopyButton } from "@/ui/text/CopyButton";
import { changedDetails, type Details, detailsOf, tagErrors, tagPaths } from "./details";
import classes from "./PipelineSettings.module.css";
import { strings } from "./strings";

/** Name, description and tags. A change that somebody else saves meanwhile appears in fields that were not edited. */
export function DetailsForm({ pipeline }: { pipeline: Pipeline }) {
  const change = useChangePipeline(pipeline.id);
  const [edited, setEdited] = useState<Partial<Details>>({});
  const stored = detailsOf(pipeline);
  const shown = { ...stored, ...edited };
  const changes = changedDetails(stored, shown);
  const canWrite = useCan("pipelines:write");
  const isFixed = pipeline.status === "archived" || !canWrite;
  const errors = change.error ? asApiError(change.error).fieldErrors : {};
  const edit = (part: Partial<Details>) => setEdited((known) => ({ ...known, ...part }));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (changes === null) return;
    change.mutate(changes satisfies PipelineChanges, {
      onSuccess: () => {
        setEdited({});
        toast.success(strings.saved);
      },
    });
  };
  return (
    <form onSubmit={submit} className={classes.form} noValidate>
      <FormError error={change.error} fields={["name", "description", ...tagPaths(errors)]} />
      <TextInput
        label={strings.name}
        dir="auto"
        value={shown.name}
        error={errors.name}
        disabled={isFixed}
        onChange={(event) => edit({ name: event.currentTarget.value })}
      />
      <Textarea
        label={strings.description}
        dir="auto"
        rows={3}
        value={shown.description}
        error={errors.description}
        disabled={isFixed}
        onChange={(event) => edit({ description: event.currentTarget.value })}
      />
      <Textarea
        label={strings.tags}
        dir="auto"
        description={strings.tagsHint}
        rows={3}
        value={shown.tags}
        error={tagErrors(errors)}
        disabled={isFixed}
        onChange={(event) => edit({ tags: event.currentTarget.value })}
      />
      <dl className={classes.facts}>
        <dt>{strings.slug}</dt>
        <dd>
          <code className="mono">{pipeline.slug}</code>
          <CopyButton value={pipeline.slug} what="slug" />
        </dd>
        <dt>{strings.id}</dt>
        <dd>
          <code className="mono">{pipeline.id}</code>
          <CopyButton value={pipeline.id} what="id" />
        </dd>
      </dl>
      <div className={classes.buttons}>
        {canWrite && (
          <Button type="submit" disabled={changes === null} loading={change.isPending}>
            {strings.save}
          </Button>
        )}
        {changes !== null && (
          <Button variant="default" onClick={() => setEdited({})}>
            {strings.reset}
          </Button>
        )}
      </div>
    </form>
  );
}
