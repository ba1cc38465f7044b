import { can } from "@/api/access";
import type { User } from "@/api/session";

type Page = { label: string; path: string };

const SETTINGS: readonly Page[] = [
  { label: "Jobs", path: "/jobs" },
  { label: "Profile", path: "/settings/profile" },
  { label: "Change the password", path: "/settings/profile#password" },
  { label: "Two-factor sign-in", path: "/settings/profile#two-factor" },
  { label: "Sessions", path: "/settings/profile#sessions" },
  { label: "Workspace", path: "/settings/workspace" },
  { label: "Leave the workspace", path: "/settings/workspace#leave" },
  { label: "Members", path: "/settings/members" },
  { label: "API keys", path: "/settings/keys" },
  { label: "Service keys", path: "/settings/keys#service-keys" },
  { label: "Secrets", path: "/settings/secrets" },
  { label: "Models and providers", path: "/settings/models" },
  { label: "Notifications", path: "/settings/notifications" },
];
const ADMIN: readonly Page[] = [
  { label: "Admin: Users", path: "/admin/users" },
  { label: "Admin: Workspaces", path: "/admin/workspaces" },
  { label: "Admin: Problems", path: "/admin/problems" },
  { label: "Admin: Audit log", path: "/admin/audit" },
  { label: "Admin: Settings of the server", path: "/admin/settings" },
];
const DOCS: readonly Page[] = [
  { label: "API reference", path: "/docs" },
  { label: "Errors and what to do about them", path: "/docs/errors" },
  { label: "Step types", path: "/docs/steps" },
];

/** The pages below the sections of the navigation that a person can open. */
export function pagesFor(user: User): readonly Page[] {
  const audit = { label: "Audit log", path: "/settings/audit" };
  return [
    ...SETTINGS,
    ...(can(user.role, "workspace:admin") ? [audit] : []),
    ...(user.is_admin ? ADMIN : []),
    ...DOCS,
  ];
}

/** What a person can create, each on the page for it. */
export function creationsFor(user: User): readonly Page[] {
  if (!can(user.role, "pipelines:write")) return [];
  return [
    { label: "Create a pipeline", path: "/pipelines?create=blank" },
    { label: "Create a pipeline from an example", path: "/pipelines?create=example" },
    { label: "Create a schedule", path: "/schedules?create=true" },
  ];
}
