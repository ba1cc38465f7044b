import { SubNavigation } from "@/ui/SubNavigation";
import { strings } from "./strings";

const PAGES = [
  { to: "/admin", label: strings.health },
  { to: "/admin/users", label: strings.users },
  { to: "/admin/workspaces", label: strings.workspaces },
  { to: "/admin/problems", label: strings.problems },
  { to: "/admin/audit", label: strings.audit },
  { to: "/admin/settings", label: strings.settings },
] as const;

export function AdminNavigation() {
  return <SubNavigation label={strings.sections} pages={PAGES} />;
}
