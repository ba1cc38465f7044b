/** A link of untrusted text, if it can be opened safely, with what a reader must see of it. */
export function safeLink(href: string | undefined): { href: string; host: string } | null {
  if (href === undefined) return null;
  let url: URL;
  try {
    // Relative addresses would point to pages of this server, which the text cannot know.
    url = new URL(href);
  } catch {
    return null;
  }
  if (url.protocol === "mailto:") return { href: url.href, host: url.pathname };
  if (url.protocol !== "https:" && url.protocol !== "http:") return null;
  // A user name before the host can look like another host.
  url.username = "";
  url.password = "";
  return { href: url.href, host: url.host };
}
