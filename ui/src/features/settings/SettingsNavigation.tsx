import { useCan } from "@/api/access";
import { SubNavigation } from "@/ui/SubNavigation";
import { strings } from "./strings";

const PAGES = [
  { to: "/settings/profile", label: strings.profile },
  { to: "/settings/workspace", label: strings.workspace },
  { to: "/settings/members", label: strings.members },
  { to: "/settings/keys", label: strings.keys },
  { to: "/settings/secrets", label: strings.secrets },
  { to: "/settings/models", label: strings.models },
  { to: "/settings/notifications", label: strings.notifications },
] as const;
/** Pages that need the role `admin` or `owner` in the workspace. */
const ADMIN_PAGES = [{ to: "/settings/audit", label: strings.audit }] as const;

export function SettingsNavigation() {
  const isAdmin = useCan("workspace:admin");
  return (
    <SubNavigation label={strings.sections} pages={isAdmin ? [...PAGES, ...ADMIN_PAGES] : PAGES} />
  );
}
