import { UnstyledButton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useLocation } from "@tanstack/react-router";
import { Check, Plus, Settings, Users } from "lucide-react";
import { useUser } from "@/api/session";
import { type Workspace, workspacesQuery } from "@/api/workspaces";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { MenuPopover, type MenuProps } from "@/ui/shell/MenuPopover";
import menu from "@/ui/shell/MenuPopover.module.css";
import { strings } from "./strings";
import { pageAfterSwitch, switchWorkspace } from "./switchWorkspace";
import classes from "./WorkspaceList.module.css";

type Props = MenuProps & { onCreate: () => void };

/** The person's workspaces, and the pages about the one that is shown. */
export default function WorkspaceList({ onCreate, ...props }: Props) {
  return (
    <MenuPopover {...props} label={strings.title} position="bottom-start">
      <Content onClose={props.onClose} onCreate={onCreate} />
    </MenuPopover>
  );
}

function Content({ onClose, onCreate }: Pick<Props, "onClose" | "onCreate">) {
  const user = useUser();
  const { pathname } = useLocation();
  const { data, error, refetch } = useQuery(workspacesQuery);
  const open = (workspace: Workspace) => {
    onClose();
    if (workspace.id !== user.workspace.id)
      void switchWorkspace(workspace, user.id, pageAfterSwitch(pathname));
  };
  if (error && data === undefined) {
    return <ErrorState error={error} title={strings.loadFailed} onRetry={() => void refetch()} />;
  }
  return (
    <>
      {data === undefined ? (
        <TextSkeleton lines={3} />
      ) : (
        <ul aria-label={strings.yours} className={classes.list}>
          {data.map((workspace) => {
            const isCurrent = workspace.id === user.workspace.id;
            return (
              <li key={workspace.id}>
                <UnstyledButton
                  className={menu.item}
                  aria-current={isCurrent || undefined}
                  onClick={() => open(workspace)}
                >
                  <span className={classes.name} dir="auto">
                    {workspace.name}
                  </span>
                  {workspace.role !== workspace.name && (
                    <span className={classes.role}>{workspace.role}</span>
                  )}
                  <Check size={16} aria-hidden className={classes.check} data-shown={isCurrent} />
                </UnstyledButton>
              </li>
            );
          })}
        </ul>
      )}
      <div className={classes.pages}>
        <Link to="/settings/members" className={menu.item} onClick={onClose}>
          <Users size={16} aria-hidden />
          {strings.members}
        </Link>
        <Link to="/settings/workspace" className={menu.item} onClick={onClose}>
          <Settings size={16} aria-hidden />
          {strings.settings}
        </Link>
        <UnstyledButton className={menu.item} onClick={onCreate}>
          <Plus size={16} aria-hidden />
          {strings.create}
        </UnstyledButton>
      </div>
    </>
  );
}
