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
  // The page has its own first headings.
  h1: ({ children }) => <h3>{children}</h3>,
  h2: ({ children }) => <h4>{children}</h4>,
  h3: ({ children }) => <h5>{children}</h5>,
  h4: ({ children }) => <h6>{children}</h6>,
  h5: ({ children }) => <h6>{children}</h6>,
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
