import { useRouter } from "@tanstack/react-router";
import { hasSessionEnded } from "@/api/session";

/**
 * Opens the page that a person signs in for.
 *
 * If an earlier session has ended on this page, the browser loads it anew, so that no drafts and no other data of that
 * session remain in memory.
 */
export function useOpenNext(next = "/"): () => void {
  const router = useRouter();
  return () => {
    if (hasSessionEnded()) window.location.replace(next);
    else void router.navigate({ href: next, replace: true });
  };
}
