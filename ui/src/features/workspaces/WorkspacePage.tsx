import { Button, TextInput } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { type FormEvent, lazy, Suspense, useState } from "react";
import { useCan } from "@/api/access";
import { useRenameWorkspace, type Workspace, workspaceQuery } from "@/api/workspaces";
import { FormError } from "@/ui/feedback/FormError";
import { fieldErrors } from "@/ui/feedback/fieldErrors";
import { toast } from "@/ui/feedback/toast";
import { RelativeTime } from "@/ui/format/Values";
import { PageHeader } from "@/ui/PageHeader";
import { CopyButton } from "@/ui/text/CopyButton";
import LeaveWorkspace from "./LeaveWorkspace";
import { ROLE_TEXTS, strings } from "./strings";
import classes from "./Workspaces.module.css";

const DeleteWorkspace = lazy(() => import("./DeleteWorkspace"));

/** The workspace of this tab: its name and plan, and the person's role in it. */
export function WorkspacePage() {
  const { data: workspace } = useSuspenseQuery(workspaceQuery);
  const isAdmin = useCan("workspace:admin");
  const isOwner = useCan("workspace:owner");
  return (
    <>
      <PageHeader title={strings.title} description={strings.description} />
      {isAdmin && <Rename key={workspace.name} workspace={workspace} />}
      <dl className={classes.facts}>
        {!isAdmin && (
          <>
            <dt>{strings.name}</dt>
            <dd dir="auto">{workspace.name}</dd>
          </>
        )}
        <dt>{strings.role}</dt>
        <dd>
          {workspace.role} <span className="dimmed">{ROLE_TEXTS[workspace.role]}</span>
        </dd>
        <dt>{strings.plan}</dt>
        <dd>{workspace.plan}</dd>
        <dt>{strings.createdAt}</dt>
        <dd>
          <RelativeTime time={workspace.created_at} />
        </dd>
        <dt>{strings.id}</dt>
        <dd>
          <code className="mono">{workspace.id}</code>{" "}
          <CopyButton value={workspace.id} what="workspace id" />
          <p className={classes.hint}>{strings.idHint}</p>
        </dd>
      </dl>
      <Leave workspace={workspace} />
      {isOwner && <Delete workspace={workspace} />}
    </>
  );
}

function Rename({ workspace }: { workspace: Workspace }) {
  const [name, setName] = useState(workspace.name);
  const rename = useRenameWorkspace();
  const errors = fieldErrors(rename.error);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    rename.mutate(name, { onSuccess: () => toast.success(strings.renamed) });
  };
  return (
    <form onSubmit={submit} className={classes.form} noValidate>
      <FormError error={rename.error} fields={["name"]} />
      <div className={classes.row}>
        <TextInput
          className={classes.field}
          label={strings.name}
          maxLength={100}
          value={name}
          error={errors.name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Button
          type="submit"
          variant="default"
          disabled={name.trim() === workspace.name}
          loading={rename.isPending}
        >
          {strings.rename}
        </Button>
      </div>
    </form>
  );
}

function Leave({ workspace }: { workspace: Workspace }) {
  const [isAsking, setAsking] = useState(false);
  return (
    <section className={classes.section} aria-labelledby="leave">
      <h2 id="leave" className={classes.heading}>
        {strings.leaveHeading}
      </h2>
      <p className={classes.text}>{strings.leaveHint}</p>
      <Button variant="default" color="red" onClick={() => setAsking(true)}>
        {strings.leave}
      </Button>
      {isAsking && <LeaveWorkspace name={workspace.name} onClose={() => setAsking(false)} />}
    </section>
  );
}

function Delete({ workspace }: { workspace: Workspace }) {
  const [isAsking, setAsking] = useState(false);
  return (
    <section className={classes.section} aria-labelledby="delete">
      <h2 id="delete" className={classes.heading}>
        {strings.deleteHeading}
      </h2>
      <p className={classes.text}>{strings.deleteHint}</p>
      <Button variant="default" color="red" onClick={() => setAsking(true)}>
        {strings.delete}
      </Button>
      {isAsking && (
        <Suspense fallback={null}>
          <DeleteWorkspace name={workspace.name} onClose={() => setAsking(false)} />
        </Suspense>
      )}
    </section>
  );
}
