import { Link } from "@tanstack/react-router";
import classes from "./Settings.module.css";
import { strings } from "./strings";

const PAGES = [
  { to: "/settings/profile", label: strings.profile },
  { to: "/settings/keys", label: strings.keys },
  { to: "/settings/secrets", label: strings.secrets },
  { to: "/settings/models", label: strings.models },
] as const;

export function SettingsNavigation() {
  return (
    <nav aria-label={strings.sections} className={classes.navigation}>
      {PAGES.map(({ to, label }) => (
        <Link key={to} to={to} className={classes.link} activeProps={{ "aria-current": "page" }}>
          {label}
        </Link>
      ))}
    </nav>
  );
}
