import { useLocation } from "@tanstack/react-router";
import { useState } from "react";
import { readFragment } from "../auth/search";

/** The token in the fragment: "#TOKEN" or "#token=TOKEN". */
export function tokenOf(hash: string): string | null {
  const text = hash.replace(/^#/, "");
  return text.startsWith("token=") ? readFragment(text, "token") : text || null;
}

/**
 * The token of a link from an email. It stays in the address, so that a reload shows the same, until `forget` is called.
 * Another link in the same tab replaces it.
 */
export function useLinkToken(): { token: string | null; forget: () => void } {
  const found = tokenOf(useLocation({ select: ({ hash }) => hash }));
  const [token, setToken] = useState(found);
  if (found !== null && found !== token) setToken(found);
  const forget = () => {
    const { pathname, search } = window.location;
    window.history.replaceState(window.history.state, "", `${pathname}${search}`);
  };
  return { token: found ?? token, forget };
}
