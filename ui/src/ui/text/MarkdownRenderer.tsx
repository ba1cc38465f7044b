import { ExternalLink } from "lucide-react";
import type { ReactNode } from "react";
import Markdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import classes from "./SafeMarkdown.module.css";
import { safeLink } from "./safeLink";

function SafeAnchor({ href, children }: { href?: string; children?: ReactNode }) {
  const link = safeLink(href);
  if (link === null) return <span>{children}</span>;
  return (
    <a href={link.href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
      <span className={classes.host}>
        <ExternalLink size={12} aria-hidden /> {link.host}
      </span>
    </a>
  );
}

const components: Components = {
  a: ({ href, children }) => <SafeAnchor href={href}>{children}</SafeAnchor>,
  // An image from another host would report to it who reads the answer.
  img: ({ src, alt }) => (
    <SafeAnchor href={typeof src === "string" ? src : undefined}>
      Image: {alt || "without a description"}
    </SafeAnchor>
  ),
  // They are no headings of the page: their levels could be in any order.
  h1: ({ children }) => <p className={classes.title}>{children}</p>,
  h2: ({ children }) => <p className={classes.title}>{children}</p>,
  h3: ({ children }) => <p className={classes.subtitle}>{children}</p>,
  h4: ({ children }) => <p className={classes.subtitle}>{children}</p>,
  h5: ({ children }) => <p className={classes.subtitle}>{children}</p>,
  h6: ({ children }) => <p className={classes.subtitle}>{children}</p>,
  // The alignment would be a style attribute.
  th: ({ children }) => <th>{children}</th>,
  td: ({ children }) => <td>{children}</td>,
};

export default function MarkdownRenderer({ text }: { text: string }) {
  return (
    // HTML nodes are not parsed: without a plugin for it, they are text.
    <Markdown remarkPlugins={[remarkGfm]} components={components} urlTransform={(url) => url}>
      {text}
    </Markdown>
  );
}
