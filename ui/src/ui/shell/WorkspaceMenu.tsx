import { UnstyledButton } from "@mantine/core";
import { ChevronsUpDown } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useUser } from "@/api/session";
import { useLazyMenu } from "./useLazyMenu";
import classes from "./WorkspaceMenu.module.css";

const CreateWorkspace = lazy(() => import("@/features/workspaces/CreateWorkspace"));
const load = () => import("@/features/workspaces/WorkspaceList");

/** The workspace of the page, and the way to others. */
export function WorkspaceMenu({ isCollapsed }: { isCollapsed: boolean }) {
  const { Menu, menu, button, close } = useLazyMenu(load);
  const [isCreating, setCreating] = useState(false);
  const { workspace, role } = useUser();
  const create = () => {
    close();
    setCreating(true);
  };
  return (
    <>
      <UnstyledButton
        className={classes.button}
        data-collapsed={isCollapsed}
        title={isCollapsed ? workspace.name : undefined}
        {...button}
      >
        <span className={classes.initial} aria-hidden>
          {Array.from(workspace.name)[0]}
        </span>
        <span className={classes.texts}>
          <span className={classes.name}>
            <span className="visually-hidden">Workspace </span>
            <bdi>{workspace.name}</bdi>
          </span>
          {role !== workspace.name && <span className={classes.role}>{role}</span>}
        </span>
        <ChevronsUpDown size={14} className={classes.icon} aria-hidden />
      </UnstyledButton>
      {Menu && <Menu {...menu} onCreate={create} />}
      {isCreating && (
        <Suspense fallback={null}>
          <CreateWorkspace onClose={() => setCreating(false)} />
        </Suspense>
      )}
    </>
  );
}
