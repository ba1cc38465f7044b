import { useLocation } from "@tanstack/react-router";
import { useEffect, useRef } from "react";

/** A ref for a row of links. Small screens show only some of them, so the link of the current page scrolls into view. */
export function useCurrentInView() {
  const { pathname } = useLocation();
  const links = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the path decides which link is the current one
  useEffect(() => {
    const current = links.current?.querySelector('[aria-current="page"]');
    current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [pathname]);
  return links;
}
