import { Button, Group, Modal, Radio, TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { type AdminUserDetail, type UserData, useDeleteUser } from "@/api/adminUsers";
import { FormError } from "@/ui/feedback/FormError";
import { toast } from "@/ui/feedback/toast";
import { formatNames } from "@/ui/format/lists";
import classes from "../Admin.module.css";
import { strings } from "./strings";

type Props = { user: AdminUserDetail; onClose: () => void };

/** Deletes an account after its address was typed. Asks what happens to workspaces without another member. */
export function DeleteUser({ user, onClose }: Props) {
  const { id, email, memberships } = user;
  const [data, setData] = useState<UserData>("keep");
  const [typed, setTyped] = useState("");
  const remove = useDeleteUser(id);
  const navigate = useNavigate();
  const alone = memberships.filter(({ members }) => members === 1);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed !== email) return;
    remove.mutate(data, {
      onSuccess: () => {
        toast.success(strings.isDeleted(email));
        void navigate({ to: "/admin/users" });
      },
    });
  };
  return (
    <Modal opened centered onClose={onClose} title={strings.deleteQuestion(email)}>
      <form onSubmit={submit} className={classes.form} noValidate>
        <FormError error={remove.error} fields={[]} />
        <div>{strings.deleteText}</div>
        {alone.length === 0 ? (
          <div>{memberships.length === 0 ? strings.noneAtAll : strings.noneAlone}</div>
        ) : (
          <Radio.Group
            label={strings.alone(formatNames(alone.map(({ name }) => name)))}
            value={data}
            onChange={(value) => setData(value as UserData)}
          >
            <div className={classes.choices}>
              <Radio value="keep" label={strings.keep} description={strings.keepText} />
              <Radio value="erase" label={strings.erase} description={strings.eraseText} />
            </div>
          </Radio.Group>
        )}
        <TextInput
          label={strings.typeEmail(email)}
          value={typed}
          autoComplete="off"
          data-autofocus
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            {strings.cancel}
          </Button>
          <Button type="submit" color="red" disabled={typed !== email} loading={remove.isPending}>
            {strings.delete}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
