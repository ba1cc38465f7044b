import { useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { type AdminUser, useChangeUser, usersQuery } from "@/api/adminUsers";
import { useUser } from "@/api/session";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { toast } from "@/ui/feedback/toast";
import { PageHeader } from "@/ui/PageHeader";
import { DataTable } from "@/ui/table/DataTable";
import { FilterChips } from "@/ui/table/FilterChips";
import type { FilterDefinition } from "@/ui/table/filters";
import { PageButtons } from "@/ui/table/PageButtons";
import { FindField } from "../FindField";
import { filterOf, readUsersSearch, type UsersSearch } from "./search";
import { strings } from "./strings";
import { userColumns } from "./userColumns";

const FILTERS: readonly FilterDefinition[] = [
  {
    id: "state",
    label: strings.state,
    kind: "choice",
    isSingle: true,
    options: [
      { value: "enabled", label: strings.enabled },
      { value: "disabled", label: strings.disabled },
    ],
  },
  {
    id: "kind",
    label: strings.kind,
    kind: "choice",
    isSingle: true,
    options: [
      { value: "administrators", label: strings.administrators },
      { value: "others", label: strings.others },
    ],
  },
];

export function UsersPage({ search }: { search: UsersSearch }) {
  const { data: users } = useSuspenseQuery(usersQuery(filterOf(search), search.cursor));
  const [disabling, setDisabling] = useState<AdminUser | null>(null);
  const navigate = useNavigate();
  const self = useUser();
  const change = useChangeUser();
  const show = (changes: object) =>
    void navigate({
      to: "/admin/users",
      search: readUsersSearch({ ...search, cursor: undefined, ...changes }),
    });
  const set = ({ id, email }: AdminUser, disabled: boolean) =>
    change.mutate(
      { id, disabled },
      {
        onSuccess: () =>
          toast.success(disabled ? strings.isDisabled(email) : strings.isEnabled(email)),
        onError: (error) => toast.failure(strings.notChanged(email), error),
        onSettled: () => setDisabling(null),
      },
    );
  return (
    <>
      <PageHeader title={strings.users} description={strings.usersDescription} />
      <FilterChips
        filters={FILTERS}
        values={{ state: search.state, kind: search.kind }}
        onChange={show}
      >
        <FindField label={strings.findUser} value={search.q} onFind={(q) => show({ q })} />
      </FilterChips>
      {users.data.length === 0 ? (
        <EmptyState title={strings.noUser} />
      ) : (
        <DataTable
          label={strings.users}
          columns={userColumns({
            ownId: self.id,
            onDisable: setDisabling,
            onEnable: (user) => set(user, false),
          })}
          rows={users.data}
          rowId={(user) => user.id}
          onOpen={({ id }) => void navigate({ to: "/admin/users/$userId", params: { userId: id } })}
          hasKeys
          footer={
            <PageButtons
              cursor={search.cursor}
              next={users.next_cursor}
              onShow={(cursor) => show({ cursor })}
            />
          }
        />
      )}
      {disabling !== null && (
        <ConfirmDialog
          isOpen
          title={strings.disableQuestion(disabling.email)}
          action={strings.disable}
          isPending={change.isPending}
          onClose={() => setDisabling(null)}
          onConfirm={() => set(disabling, true)}
        >
          {strings.disableText}
        </ConfirmDialog>
      )}
    </>
  );
}
