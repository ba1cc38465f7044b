import { can } from "@/api/access";
import type { User } from "@/api/session";

type Page = { label: string; path: string };

const SETTINGS: readonly Page[] = [
  { label: "Jobs", path: "/jobs" },
  { label: "Profile, password and two-factor sign-in", path: "/settings/profile" },
  { label: "Workspace", path: "/settings/workspace" },
  { label: "Members", path: "/settings/members" },
  { label: "API keys", path: "/settings/keys" },
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
/** Pages of the documentation that the server shows outside the app. */
export const GUIDES: readonly Page[] = [
  { label: "Docs: All pages of the documentation", path: "/docs/README" },
  { label: "Docs: The language of pipelines", path: "/docs/language" },
  { label: "Docs: API", path: "/docs/api" },
  { label: "Docs: Models", path: "/docs/models" },
  { label: "Docs: Reviews", path: "/docs/reviews" },
  { label: "Docs: Schedules", path: "/docs/schedules" },
  { label: "Docs: Deliveries", path: "/docs/deliveries" },
  { label: "Docs: Secrets", path: "/docs/secrets" },
  { label: "Docs: Accounts", path: "/docs/accounts" },
  { label: "Docs: Operations", path: "/docs/operations" },
  { label: "Docs: Roadmap", path: "/docs/roadmap" },
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
