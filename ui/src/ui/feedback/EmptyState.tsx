import { Inbox, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { CodeBlock } from "../text/CodeBlock";
import classes from "./States.module.css";

type Props = {
  title: string;
  /** What belongs here, and how it comes here. */
  children?: ReactNode;
  icon?: LucideIcon;
  /** Buttons and links that fill the list. */
  actions?: ReactNode;
  /** A command that does the same with the API. */
  curl?: string;
};

/** An empty list: what belongs in it, and a way to fill it. */
export function EmptyState({ title, children, icon: Icon = Inbox, actions, curl }: Props) {
  return (
    <div className={classes.state}>
      <Icon size={24} className={classes.icon} aria-hidden />
      <h2 className={classes.title}>{title}</h2>
      {children && <div className={classes.text}>{children}</div>}
      {actions && <div className={classes.actions}>{actions}</div>}
      {curl && (
        <div className={classes.example}>
          <CodeBlock label="With the API" code={curl} />
        </div>
      )}
    </div>
  );
}
