import {
  CalendarClock,
  ChartColumn,
  ClipboardCheck,
  type LucideIcon,
  Play,
  Settings,
  Shield,
  Workflow,
} from "lucide-react";
import type { User } from "@/api/session";

type NavigationItem = {
  label: string;
  path: string;
  icon: LucideIcon;
  /** Whether a user can open the section. Default: each user. */
  isFor?: (user: User) => boolean;
};

/** The sections of the left rail, in their order. A section appears as soon as its route exists. */
const SECTIONS: readonly NavigationItem[] = [
  { label: "Runs", path: "/runs", icon: Play },
  { label: "Pipelines", path: "/pipelines", icon: Workflow },
  { label: "Reviews", path: "/reviews", icon: ClipboardCheck },
  { label: "Schedules", path: "/schedules", icon: CalendarClock },
  { label: "Usage", path: "/usage", icon: ChartColumn },
  { label: "Settings", path: "/settings", icon: Settings },
  { label: "Admin", path: "/admin", icon: Shield, isFor: (user) => user.is_admin },
];

/** The sections that a user can open. `routes` are the router's routes by path. */
export function sectionsFor(user: User, routes: object): readonly NavigationItem[] {
  return SECTIONS.filter(({ path, isFor }) => path in routes && (isFor?.(user) ?? true));
}

/** The section that contains a page, if it exists. */
export function sectionOf(pathname: string, routes: object): NavigationItem | undefined {
  return SECTIONS.find(
    ({ path }) => path in routes && (pathname === path || pathname.startsWith(`${path}/`)),
  );
}
