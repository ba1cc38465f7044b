import { useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { plansQuery, workspacesQuery } from "@/api/adminWorkspaces";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { PageHeader } from "@/ui/PageHeader";
import { DataTable } from "@/ui/table/DataTable";
import { FilterChips } from "@/ui/table/FilterChips";
import type { FilterDefinition } from "@/ui/table/filters";
import { PageButtons } from "@/ui/table/PageButtons";
import { FindField } from "../FindField";
import { filterOf, readWorkspacesSearch, type WorkspacesSearch } from "./search";
import { strings } from "./strings";
import { COLUMNS } from "./workspaceColumns";

export function WorkspacesPage({ search }: { search: WorkspacesSearch }) {
  const { data: found } = useSuspenseQuery(workspacesQuery(filterOf(search), search.cursor));
  const { data: plans } = useSuspenseQuery(plansQuery);
  const navigate = useNavigate();
  const show = (changes: object) =>
    void navigate({
      to: "/admin/workspaces",
      search: readWorkspacesSearch({ ...search, cursor: undefined, ...changes }),
    });
  const filters: readonly FilterDefinition[] = [
    {
      id: "plan",
      label: strings.plan,
      kind: "choice",
      isSingle: true,
      options: plans.map(({ name }) => ({ value: name, label: name })),
    },
    {
      id: "members",
      label: strings.members,
      kind: "choice",
      isSingle: true,
      options: [
        { value: "some", label: strings.withMembers },
        { value: "none", label: strings.withoutMembers },
      ],
    },
  ];
  return (
    <>
      <PageHeader title={strings.workspaces} description={strings.workspacesDescription} />
      <FilterChips
        filters={filters}
        values={{ plan: search.plan, members: search.members }}
        onChange={show}
      >
        <FindField label={strings.findWorkspace} value={search.q} onFind={(q) => show({ q })} />
      </FilterChips>
      {found.data.length === 0 ? (
        <EmptyState title={strings.noWorkspace} />
      ) : (
        <DataTable
          label={strings.workspaces}
          columns={COLUMNS}
          rows={found.data}
          rowId={({ id }) => id}
          onOpen={({ id }) =>
            void navigate({ to: "/admin/workspaces/$workspaceId", params: { workspaceId: id } })
          }
          hasKeys
          footer={
            <PageButtons
              cursor={search.cursor}
              next={found.next_cursor}
              onShow={(cursor) => show({ cursor })}
            />
          }
        />
      )}
    </>
  );
}
