import { Link, type LinkProps, useLocation, useRouter } from "@tanstack/react-router";
import { Fragment } from "react";
import classes from "./Breadcrumb.module.css";
import { sectionOf } from "./navigation";
import { type Parent, useCurrentTitle } from "./pageTitle";

/** The section, the parents that the page names, and the title of the page. */
export function Breadcrumb() {
  const { pathname } = useLocation();
  const { routesByPath } = useRouter();
  const section = sectionOf(pathname, routesByPath);
  const current = useCurrentTitle();
  const parents: Parent[] = [];
  if (section !== undefined && section.path !== pathname) {
    parents.push({ label: section.label, href: section.path });
  }
  parents.push(...(current?.parents ?? []));
  return (
    <nav aria-label="Breadcrumb" className={classes.breadcrumb}>
      <ol className={classes.list}>
        {parents.map(({ label, href }) => (
          <Fragment key={href}>
            <li className={classes.parent}>
              <Link to={href as LinkProps["to"]} className={classes.link} dir="auto">
                {label}
              </Link>
            </li>
            <li aria-hidden className={classes.separator}>
              /
            </li>
          </Fragment>
        ))}
        <li aria-current="page" className={classes.current} dir="auto">
          {current?.title}
        </li>
      </ol>
    </nav>
  );
}
