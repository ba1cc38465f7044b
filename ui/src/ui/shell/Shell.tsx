import { ActionIcon, AppShell, Burger, Tooltip } from "@mantine/core";
import { useDisclosure, useLocalStorage } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Outlet, useRouter } from "@tanstack/react-router";
import { PanelLeftClose, PanelLeftOpen } from "lucide-react";
import { useEffect, useState } from "react";
import { sessionQuery, takeLostWorkspace } from "@/api/session";
import { KeyHelp } from "../keys/KeyHelp";
import { Palette } from "../palette/Palette";
import { Breadcrumb } from "./Breadcrumb";
import { LiveIndicator } from "./LiveIndicator";
import { Rail } from "./Rail";
import classes from "./Shell.module.css";
import { SignOutQuestion } from "./SignOutQuestion";
import { UserMenu } from "./UserMenu";

const TOP_HEIGHT = 48;
const RAIL_WIDTH = 208;
const RAIL_WIDTH_COLLAPSED = 57;

/** The frame of each page for a signed-in user: left rail, top bar, command palette, key help. */
export function Shell() {
  const [isMenuOpen, menu] = useDisclosure(false);
  const [isCollapsed, setCollapsed] = useLocalStorage({
    key: "stepiq-rail-collapsed",
    defaultValue: false,
    getInitialValueInEffect: false,
  });
  const { data: session } = useQuery(sessionQuery);
  const shown = session?.user.workspace.name;
  useEffect(() => {
    const lost = shown === undefined ? null : takeLostWorkspace();
    if (lost === null) return;
    void import("@/features/workspaces/lostNotice").then((notice) =>
      notice.showLostWorkspace(lost, shown ?? ""),
    );
  }, [shown]);
  // The session has ended: in another tab, or on the server.
  if (!session) return <SignedOut />;
  const width = isCollapsed ? RAIL_WIDTH_COLLAPSED : RAIL_WIDTH;
  const label = isCollapsed ? "Expand the navigation" : "Collapse the navigation";
  return (
    <AppShell
      header={{ height: TOP_HEIGHT }}
      navbar={{ width, breakpoint: "sm", collapsed: { mobile: !isMenuOpen } }}
      transitionDuration={0}
    >
      <a href="#content" className={classes.skip}>
        Skip to the content
      </a>
      <AppShell.Header className={classes.top}>
        <Burger
          opened={isMenuOpen}
          onClick={menu.toggle}
          hiddenFrom="sm"
          size="sm"
          aria-label={isMenuOpen ? "Close the navigation" : "Open the navigation"}
          aria-expanded={isMenuOpen}
        />
        <Breadcrumb />
        <div className={classes.tools}>
          <LiveIndicator />
          <Palette />
          <UserMenu />
        </div>
      </AppShell.Header>
      <AppShell.Navbar className={classes.rail}>
        <Rail isCollapsed={isCollapsed} onNavigate={menu.close} />
        <Tooltip label={label} position="right" disabled={!isCollapsed}>
          <ActionIcon
            visibleFrom="sm"
            aria-label={label}
            aria-expanded={!isCollapsed}
            className={classes.collapse}
            onClick={() => setCollapsed(!isCollapsed)}
          >
            {isCollapsed ? <PanelLeftOpen size={16} /> : <PanelLeftClose size={16} />}
          </ActionIcon>
        </Tooltip>
      </AppShell.Navbar>
      <AppShell.Main className={classes.main}>
        <div id="content" tabIndex={-1} className={classes.content}>
          <Outlet />
        </div>
      </AppShell.Main>
      <KeyHelp />
      <SignOutQuestion />
    </AppShell>
  );
}

/** Leads to the sign-in page, which returns to the address. */
function SignedOut() {
  const router = useRouter();
  const [next] = useState(() => router.state.location.href);
  useEffect(
    () => void router.navigate({ to: "/login", search: { next }, replace: true }),
    [router, next],
  );
  return null;
}
