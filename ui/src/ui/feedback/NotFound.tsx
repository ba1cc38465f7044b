import { Button } from "@mantine/core";
import { Link, useLocation } from "@tanstack/react-router";
import { Compass } from "lucide-react";
import { usePageTitle } from "../shell/pageTitle";
import classes from "./States.module.css";

/** The page of an address that has no screen. */
export function NotFound() {
  const { pathname } = useLocation();
  usePageTitle("Page not found");
  return (
    <div className={classes.state}>
      <Compass size={24} className={classes.icon} aria-hidden />
      <h1 className={classes.title}>Page not found</h1>
      <p className={classes.text}>
        There is no page at <code className="mono">{pathname}</code>. Check the address, or start
        again from the first page.
      </p>
      <div className={classes.actions}>
        <FirstPageLink />
      </div>
    </div>
  );
}

export function FirstPageLink() {
  return (
    <Button variant="default" renderRoot={(props) => <Link to="/" {...props} />}>
      Open the first page
    </Button>
  );
}
