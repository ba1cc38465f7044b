import { SubNavigation } from "@/ui/SubNavigation";
import { strings } from "./strings";

const PAGES = [
  { to: "/settings/profile", label: strings.profile },
  { to: "/settings/keys", label: strings.keys },
  { to: "/settings/secrets", label: strings.secrets },
  { to: "/settings/models", label: strings.models },
  { to: "/settings/notifications", label: strings.notifications },
  { to: "/settings/audit", label: strings.audit },
] as const;

export function SettingsNavigation() {
  return <SubNavigation label={strings.sections} pages={PAGES} />;
}
