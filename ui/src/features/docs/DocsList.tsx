import { Link } from "@tanstack/react-router";
import { Fragment, useEffect, useRef } from "react";
import type { DocsEntry, DocsSection } from "./content";
import classes from "./Docs.module.css";
import { strings } from "./strings";

/** A section with more entries is closed at first, so that Tab does not go through all of them. */
const MANY_ENTRIES = 150;

type Props = { sections: readonly DocsSection[]; selected: string | null; isSearch: boolean };

/** The entries by section. */
export function DocsList({ sections, selected, isSearch }: Props) {
  return (
    <nav aria-label={strings.contents} className={classes.list}>
      {sections.map(({ id, title, entries }) => {
        const isCurrent = entries.some((entry) => entry.id === selected);
        return (
          <details
            key={id}
            className={classes.section}
            open={isSearch || isCurrent || entries.length < MANY_ENTRIES}
          >
            <summary className={classes.sectionTitle}>
              {title} <span className={classes.count}>{entries.length}</span>
            </summary>
            <ul className={classes.entries}>
              {entries.map((entry) => (
                <li key={entry.id}>
                  <EntryLink entry={entry} isSelected={entry.id === selected} />
                </li>
              ))}
            </ul>
          </details>
        );
      })}
    </nav>
  );
}

function EntryLink({ entry, isSelected }: { entry: DocsEntry; isSelected: boolean }) {
  const link = useRef<HTMLAnchorElement>(null);
  useEffect(() => {
    if (isSelected) link.current?.scrollIntoView({ block: "nearest" });
  }, [isSelected]);
  return (
    <Link
      ref={link}
      to="."
      hash={entry.id}
      search={(search) => search}
      className={classes.entry}
      aria-current={isSelected ? "true" : undefined}
    >
      <Method name={entry.method} />
      <span>
        {entry.title
          .replace(/^\/api(?=\/)/, "")
          .split(/(?=\/)/)
          .map((part, index) => (
            <Fragment key={`${index} ${part}`}>
              {index > 0 && <wbr />}
              {part}
            </Fragment>
          ))}
      </span>
    </Link>
  );
}

export function Method({ name }: { name: string | null }) {
  if (name === null) return null;
  return (
    <span className={classes.method} data-method={name}>
      {name}
    </span>
  );
}
