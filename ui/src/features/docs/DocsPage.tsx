import { Button, TextInput } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { Link, useLocation, useNavigate } from "@tanstack/react-router";
import { ChevronLeft, FileJson, Search } from "lucide-react";
import { useEffect, useMemo, useRef } from "react";
import { type DocsPath, docsQuery } from "@/api/docs";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { useKeys } from "@/ui/keys/useKeys";
import { PageHeader } from "@/ui/PageHeader";
import { type DocsEntry, readDocs, searchDocs } from "./content";
import classes from "./Docs.module.css";
import { DocsList, Method } from "./DocsList";
import { DocsNodes } from "./DocsNodes";
import type { DocsSearch } from "./search";
import { strings } from "./strings";

/** A page of the server's documentation: a list of entries, and the entry that the hash of the address names. */
export function DocsPage({ path, search }: { path: DocsPath; search: DocsSearch }) {
  const { data: html } = useSuspenseQuery(docsQuery(path));
  const { hash } = useLocation();
  const navigate = useNavigate();
  const field = useRef<HTMLInputElement>(null);
  const title = strings.titles[path];
  const { introduction, sections } = useMemo(() => readDocs(html, title), [html, title]);
  const { q = "" } = search;
  const found = searchDocs(sections, q);
  const entries = found.flatMap((section) => section.entries);
  const selected = sections.flatMap((section) => section.entries).find(({ id }) => id === hash);

  const open = (entry: DocsEntry | undefined) => {
    if (entry !== undefined) void navigate({ to: ".", hash: entry.id, search, replace: true });
  };
  const move = (by: 1 | -1) => {
    const index = entries.findIndex(({ id }) => id === hash);
    open(entries[index === -1 ? 0 : index + by]);
  };
  useKeys(strings.keys.title, [
    { key: "j", label: strings.keys.next, run: () => move(1) },
    { key: "k", label: strings.keys.previous, run: () => move(-1) },
    { key: "/", label: strings.search, run: () => field.current?.focus() },
  ]);
  return (
    <>
      <PageHeader title={title} actions={path === "/docs" && <OpenApiLink />} />
      <div className={classes.layout} data-chosen={hash !== ""} data-searching={q !== ""}>
        <div className={classes.side}>
          <TextInput
            ref={field}
            type="search"
            aria-label={strings.search}
            placeholder={strings.searchHints[path]}
            leftSection={<Search size={16} aria-hidden />}
            value={q}
            onChange={(event) => {
              const text = event.currentTarget.value;
              void navigate({ to: ".", hash, search: { q: text || undefined }, replace: true });
            }}
            onKeyDown={(event) => {
              if (event.key === "Enter") open(entries[0]);
              if (event.key === "Escape") field.current?.blur();
            }}
          />
          {entries.length === 0 ? (
            <EmptyState title={strings.noMatch}>{strings.noMatchText}</EmptyState>
          ) : (
            <DocsList sections={found} selected={hash} isSearch={q !== ""} />
          )}
        </div>
        <div className={classes.pane}>
          {hash !== "" && (
            <Button
              className={classes.back}
              variant="subtle"
              size="compact-sm"
              leftSection={<ChevronLeft size={16} aria-hidden />}
              renderRoot={(props) => <Link to="." hash="" search={search} {...props} />}
            >
              {strings.all}
            </Button>
          )}
          {selected !== undefined && <Entry entry={selected} />}
          {selected === undefined && hash !== "" && (
            <EmptyState title={strings.unknown}>{strings.unknownText(hash)}</EmptyState>
          )}
          {hash === "" && <DocsNodes nodes={introduction} />}
        </div>
      </div>
    </>
  );
}

/** The entry. It takes the focus when another one is chosen, so that Tab and screen readers continue in it. */
function Entry({ entry }: { entry: DocsEntry }) {
  const article = useRef<HTMLElement>(null);
  const last = useRef(entry.id);
  useEffect(() => {
    if (last.current !== entry.id) article.current?.focus({ preventScroll: true });
    last.current = entry.id;
  }, [entry.id]);
  return (
    <article
      ref={article}
      id={entry.id}
      tabIndex={-1}
      aria-label={`${entry.method ?? ""} ${entry.title}`.trim()}
      className={classes.article}
    >
      <h2 className={classes.title}>
        <Method name={entry.method} /> <span className={classes.name}>{entry.title}</span>
      </h2>
      <DocsNodes key={entry.id} nodes={entry.nodes} />
    </article>
  );
}

function OpenApiLink() {
  return (
    <Button
      variant="default"
      component="a"
      href="/openapi.json"
      leftSection={<FileJson size={16} aria-hidden />}
    >
      {strings.openApi}
    </Button>
  );
}
