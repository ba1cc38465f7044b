import { Button, TextInput } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { type AdminUser, useDisableUser, usersQuery } from "@/api/admin";
import { useUser } from "@/api/session";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { toast } from "@/ui/feedback/toast";
import { PageHeader } from "@/ui/PageHeader";
import { DataTable } from "@/ui/table/DataTable";
import classes from "./Admin.module.css";
import { strings } from "./strings";
import { userColumns } from "./userColumns";

const route = getRouteApi("/_app/admin/users");

export function UsersPage() {
  const { email, cursor } = route.useSearch();
  const { data: users } = useSuspenseQuery(usersQuery(email, cursor));
  const [address, setAddress] = useState(email ?? "");
  const [disabling, setDisabling] = useState<AdminUser | null>(null);
  const navigate = useNavigate({ from: "/admin/users" });
  const self = useUser();
  const change = useDisableUser();
  const set = (user: AdminUser, disabled: boolean) =>
    change.mutate(
      { id: user.id, disabled },
      {
        onSuccess: () => toast.success(`${user.email} is ${disabled ? "disabled" : "enabled"}.`),
        onError: (error) => toast.failure(`${user.email} was not changed`, error),
        onSettled: () => setDisabling(null),
      },
    );
  const find = (event: FormEvent) => {
    event.preventDefault();
    void navigate({ search: { email: address.trim() || undefined } });
  };
  const next = users.next_cursor;
  return (
    <>
      <PageHeader title={strings.users} description={strings.usersDescription} />
      <form onSubmit={find} className={classes.search}>
        <TextInput
          type="search"
          aria-label={strings.findUser}
          placeholder={strings.findUser}
          value={address}
          onChange={(event) => setAddress(event.currentTarget.value)}
        />
      </form>
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
          footer={
            (next !== null || cursor !== undefined) && (
              <div className={classes.footer}>
                {cursor !== undefined && (
                  <Button variant="default" onClick={() => void navigate({ search: { email } })}>
                    {strings.first}
                  </Button>
                )}
                {next !== null && (
                  <Button
                    variant="default"
                    onClick={() => void navigate({ search: { email, cursor: next } })}
                  >
                    {strings.next}
                  </Button>
                )}
              </div>
            )
          }
        />
      )}
      {disabling !== null && (
        <ConfirmDialog
          isOpen
          title={`Disable ${disabling.email}?`}
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
