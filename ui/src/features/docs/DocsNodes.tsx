import { Anchor } from "@mantine/core";
import { Link, type LinkProps } from "@tanstack/react-router";
import { createElement, Fragment, type ReactNode } from "react";
import { CodeBlock } from "@/ui/text/CodeBlock";
import classes from "./DocsNodes.module.css";
import { strings } from "./strings";

/** The tags that are shown, and as what. Of other tags, only the content is shown. */
const TAGS: Readonly<Record<string, string>> = {
  CODE: "code",
  DETAILS: "details",
  H4: "h3",
  LI: "li",
  P: "p",
  STRONG: "strong",
  SUMMARY: "summary",
  TABLE: "table",
  TBODY: "tbody",
  TD: "td",
  TH: "th",
  THEAD: "thead",
  TR: "tr",
  UL: "ul",
};

/** HTML of the server as elements of React. Attributes other than links are dropped. */
export function DocsNodes({ nodes }: { nodes: readonly Node[] }) {
  return <div className={classes.content}>{nodes.map(shown)}</div>;
}

function shown(node: Node, index: number): ReactNode {
  if (!(node instanceof Element)) return node.textContent;
  if (node.tagName === "PRE") {
    const code = node.textContent ?? "";
    return <CodeBlock key={index} code={code} label={strings.example} withoutHeading />;
  }
  const children = [...node.childNodes].map(shown);
  if (node.tagName === "A") {
    return <DocsLink key={index} href={node.getAttribute("href") ?? ""} content={children} />;
  }
  const tag = TAGS[node.tagName];
  if (tag === undefined) return <Fragment key={index}>{children}</Fragment>;
  const className = node.classList.contains("dim") ? "dimmed" : undefined;
  const scope = tag === "th" ? "col" : undefined;
  return createElement(tag, { key: index, className, scope }, ...children);
}

function DocsLink({ href, content }: { href: string; content: ReactNode[] }) {
  const [path = "", hash] = href.split("#");
  if (path !== "" && !/^\/docs(\/|$)/.test(path)) return <Anchor href={href}>{...content}</Anchor>;
  const to = (path === "" ? "." : path) as LinkProps["to"];
  return (
    <Anchor renderRoot={(props) => <Link to={to} hash={hash} {...props} />}>{...content}</Anchor>
  );
}
