import { useEffect, useState } from "react";
import { readFragment } from "./search";

/** A token from the fragment. It is removed from the address, so that the history does not keep it. */
export function useHashToken(name: string): string | null {
  const [token] = useState(() => readFragment(window.location.hash, name));
  useEffect(() => {
    if (token === null) return;
    const { pathname, search } = window.location;
    window.history.replaceState(window.history.state, "", `${pathname}${search}`);
  }, [token]);
  return token;
}
