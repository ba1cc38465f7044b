import { Link, type LinkProps } from "@tanstack/react-router";
import classes from "./SubNavigation.module.css";
import { useCurrentInView } from "./useCurrentInView";

type Props = { label: string; pages: readonly { to: LinkProps["to"]; label: string }[] };

/** Links between the pages of one section. */
export function SubNavigation({ label, pages }: Props) {
  const nav = useCurrentInView();
  return (
    <nav ref={nav} aria-label={label} className={classes.navigation}>
      {pages.map(({ to, label: text }) => (
        <Link
          key={to}
          to={to}
          className={classes.link}
          activeOptions={{ exact: true, includeSearch: false }}
          activeProps={{ "aria-current": "page" }}
        >
          {text}
        </Link>
      ))}
    </nav>
  );
}
