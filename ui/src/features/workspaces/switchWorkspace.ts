import { chooseWorkspace } from "@/api/workspace";
import type { Workspace } from "@/api/workspaces";
import { mayLeave } from "@/ui/shell/signOutChecks";

type Target = Pick<Workspace, "id" | "name">;

/** Show another workspace in this tab, from one of its pages, unless the person wants to stay. */
export async function switchWorkspace(target: Target, userId: string, href: string): Promise<void> {
  if (await mayLeave("switch")) openWorkspace(target, userId, href);
}

/**
 * Show another workspace in this tab, after the person has agreed to leave.
 *
 * The page is loaded anew. No request, draft or stream of the former workspace can then reach the new one.
 */
export function openWorkspace({ id, name }: Target, userId: string, href: string): void {
  chooseWorkspace({ id, name, userId });
  window.location.assign(href);
}

/** Lists that are in a page of another section. */
const LISTS: Record<string, string> = { "/deliveries": "/pipelines" };

/** The page of another workspace that corresponds to a page: the same one, or its list if the page is about one thing. */
export function pageAfterSwitch(pathname: string): string {
  const parts = pathname.split("/");
  const id = parts.findIndex((part) => /^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(part));
  if (id === -1) return pathname;
  const list = parts.slice(0, id).join("/");
  return LISTS[list] ?? list;
}
