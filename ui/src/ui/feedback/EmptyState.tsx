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
  /** Code that fills the list. */
  example?: string;
  /** Heading of the example. By default, it is a command for the API. */
  exampleLabel?: string;
};

/** An empty list: what belongs in it, and a way to fill it. */
export function EmptyState(props: Props) {
  const { title, children, icon: Icon = Inbox, actions, example } = props;
  return (
    <div className={classes.state}>
      <Icon size={24} className={classes.icon} aria-hidden />
      <h2 className={classes.title}>{title}</h2>
      {children && <div className={classes.text}>{children}</div>}
      {actions && (
        <div className={classes.actions} data-page-actions>
          {actions}
        </div>
      )}
      {example && (
        <div className={classes.example}>
          <CodeBlock label={props.exampleLabel ?? "With the API"} code={example} />
        </div>
      )}
    </div>
  );
}
