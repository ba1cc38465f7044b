import { Alert, Button } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { type AdminMember, useEraseWorkspace, workspaceQuery } from "@/api/adminWorkspaces";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { TableSkeleton } from "@/ui/feedback/Skeletons";
import { toast } from "@/ui/feedback/toast";
import { formatNumber } from "@/ui/format/numbers";
import { Money, RelativeTime, Tokens } from "@/ui/format/Values";
import { PageHeader } from "@/ui/PageHeader";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import { CopyButton } from "@/ui/text/CopyButton";
import classes from "../Admin.module.css";
import { strings } from "./strings";

const LimitsForm = lazy(() => import("./LimitsForm"));

/** One workspace: its members, its usage of this month, its plan and its limits. */
export function WorkspacePage({ id }: { id: string }) {
  const { data: workspace } = useSuspenseQuery(workspaceQuery(id));
  const { usage } = workspace;
  return (
    <>
      <PageHeader
        title={workspace.name}
        parents={[{ label: strings.workspaces, href: "/admin/workspaces" }]}
      />
      <dl className={classes.facts}>
        <dt>{strings.id}</dt>
        <dd>
          <code className="mono">{id}</code>
          <CopyButton value={id} what="id" />
        </dd>
        <dt>{strings.created}</dt>
        <dd>
          <RelativeTime time={workspace.created_at} />
        </dd>
        <dt>{strings.thisMonth}</dt>
        <dd>
          {formatNumber(usage.runs)} {strings.ofRuns}, <Tokens count={usage.tokens} />{" "}
          {strings.ofTokens}, {formatNumber(usage.credits_used)} {strings.ofCredits},{" "}
          <Money micros={usage.cost_usd_micros} complete={usage.cost_complete} />
        </dd>
      </dl>
      {workspace.deleted_at !== null && <Alert color="yellow">{strings.erasedText}</Alert>}
      {workspace.members === 0 && workspace.deleted_at === null && (
        <Abandoned id={id} name={workspace.name} />
      )}
      <Suspense fallback={<TableSkeleton columns={3} rows={20} />}>
        <LimitsForm
          key={`${workspace.plan} ${JSON.stringify(workspace.overrides)}`}
          workspace={workspace}
        />
      </Suspense>
      {workspace.members > 0 && (
        <section aria-labelledby="members" className={classes.section}>
          <h2 id="members" className={classes.heading}>
            {strings.members}
          </h2>
          <DataTable
            label={strings.members}
            columns={MEMBER_COLUMNS}
            rows={workspace.member_list}
            rowId={(member) => member.id}
          />
        </section>
      )}
    </>
  );
}

/** Erases a workspace without members, after a question. */
function Abandoned({ id, name }: { id: string; name: string }) {
  const [isAsking, setAsking] = useState(false);
  const erase = useEraseWorkspace(id);
  return (
    <Alert color="yellow" className={classes.section} title={strings.withoutMembers}>
      <p className={classes.text}>{strings.abandonedText}</p>
      <Button variant="default" color="red" onClick={() => setAsking(true)}>
        {strings.erase}
      </Button>
      <ConfirmDialog
        isOpen={isAsking}
        title={strings.eraseQuestion(name)}
        action={strings.erase}
        isPending={erase.isPending}
        onClose={() => setAsking(false)}
        onConfirm={() =>
          erase.mutate(undefined, {
            onSuccess: () => toast.success(strings.erasedText),
            onError: (error) => toast.failure(strings.notErased, error),
            onSettled: () => setAsking(false),
          })
        }
      >
        {strings.eraseText}
      </ConfirmDialog>
    </Alert>
  );
}

const MEMBER_COLUMNS: Column<AdminMember>[] = [
  {
    id: "email",
    header: strings.email,
    cell: ({ id, email }) => (
      <Link to="/admin/users/$userId" params={{ userId: id }} className={classes.link}>
        {email}
      </Link>
    ),
  },
  { id: "name", header: strings.name, wideOnly: true, cell: ({ name }) => name },
  { id: "role", header: strings.role, width: "110px", cell: ({ role }) => role },
  {
    id: "state",
    header: strings.state,
    width: "110px",
    cell: ({ disabled }) => (disabled ? strings.disabled : strings.active),
  },
];
