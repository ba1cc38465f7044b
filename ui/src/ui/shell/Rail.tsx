import { Tooltip } from "@mantine/core";
import { Link, type LinkProps, useRouter } from "@tanstack/react-router";
import { useUser } from "@/api/session";
import icon from "../theme/icon.svg";
import { sectionsFor } from "./navigation";
import classes from "./Rail.module.css";
import { ReviewCount } from "./ReviewCount";
import { WorkspaceMenu } from "./WorkspaceMenu";

/** The links to the sections. Collapsed, it shows icons only. */
export function Rail({
  isCollapsed,
  onNavigate,
}: {
  isCollapsed: boolean;
  onNavigate: () => void;
}) {
  const user = useUser();
  const { routesByPath } = useRouter();
  return (
    <>
      <Link to="/" className={classes.brand} data-collapsed={isCollapsed} onClick={onNavigate}>
        <img src={icon} alt="" width={24} height={24} />
        <span className={classes.label}>stepIQ</span>
      </Link>
      <WorkspaceMenu isCollapsed={isCollapsed} />
      <nav aria-label="Main" className={classes.rail} data-collapsed={isCollapsed}>
        {sectionsFor(user, routesByPath).map(({ label, path, icon: Icon }) => (
          <Tooltip key={path} label={label} position="right" disabled={!isCollapsed}>
            <Link
              to={path as LinkProps["to"]}
              className={classes.link}
              activeProps={{ "aria-current": "page" }}
              onClick={onNavigate}
            >
              <Icon size={16} aria-hidden className={classes.icon} />
              <span className={classes.label}>{label}</span>
              {path === "/reviews" && <ReviewCount />}
            </Link>
          </Tooltip>
        ))}
      </nav>
    </>
  );
}
