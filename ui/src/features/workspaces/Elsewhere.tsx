import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useLocation } from "@tanstack/react-router";
import { ArrowLeftRight } from "lucide-react";
import type { ReactNode } from "react";
import { sessionQuery, type User } from "@/api/session";
import { elsewhereQuery } from "@/api/workspaces";
import classes from "@/ui/feedback/States.module.css";
import { usePageTitle } from "@/ui/shell/pageTitle";
import { strings } from "./strings";
import { switchWorkspace } from "./switchWorkspace";

const texts = strings.elsewhere;

/** The page of something that the workspace does not have: offers the one of the person's workspaces that has it. */
export default function Elsewhere({ children }: { children: ReactNode }) {
  const { data: session } = useQuery({ ...sessionQuery, enabled: false });
  return session ? <Found user={session.user}>{children}</Found> : children;
}

function Found({ user, children }: { user: User; children: ReactNode }) {
  const { pathname, href } = useLocation();
  usePageTitle(texts.pageTitle);
  const { data: found, isFetching } = useQuery(elsewhereQuery(pathname, user.workspace.id));
  if (!found) {
    return (
      <>
        {children}
        <p role="status" className={classes.facts}>
          {isFetching && texts.searching}
        </p>
      </>
    );
  }
  return (
    <div role="alert" className={classes.state}>
      <ArrowLeftRight size={24} className={classes.icon} aria-hidden />
      <h1 className={classes.title}>{texts.title(found.name)}</h1>
      <p className={classes.text}>{texts.text(user.workspace.name)}</p>
      <div className={classes.actions}>
        <Button onClick={() => void switchWorkspace(found, user.id, href)}>{texts.open}</Button>
      </div>
    </div>
  );
}
