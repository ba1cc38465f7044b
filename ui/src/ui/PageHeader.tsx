import type { ReactNode } from "react";
import classes from "./PageHeader.module.css";
import { type Parent, usePageTitle } from "./shell/pageTitle";

type Props = {
  /** Title of the page, the browser's tab and the end of the breadcrumb. */
  title: string;
  /** Title of the browser's tab and the end of the breadcrumb, if it is another one. */
  tab?: string;
  /** Beside the title: a status, a version. */
  beside?: ReactNode;
  /** One line below the title. */
  description?: ReactNode;
  /** Buttons, the main one last. */
  actions?: ReactNode;
  /** Pages between the section of the navigation and this page. */
  parents?: readonly Parent[];
};

export function PageHeader({ title, tab, beside, description, actions, parents }: Props) {
  usePageTitle(tab ?? title, parents);
  return (
    <header className={classes.header}>
      <div className={classes.heading}>
        <div className={classes.line}>
          <h1 className={classes.title} dir="auto">
            {title}
          </h1>
          {beside}
        </div>
        {description && <div className={classes.description}>{description}</div>}
      </div>
      {actions && (
        <div className={classes.actions} data-page-actions>
          {actions}
        </div>
      )}
    </header>
  );
}
