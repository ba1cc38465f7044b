import type { ReactNode } from "react";
import classes from "./Inspector.module.css";

export function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className={classes.scroll}>
      <h3 className={classes.heading}>{title}</h3>
      {children}
    </section>
  );
}

export function Note({ children }: { children: ReactNode }) {
  return <p className={classes.note}>{children}</p>;
}

/** Names and values. Values that are null are left out. */
export function Facts({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className={classes.facts}>
      {facts.map(([name, value]) =>
        value === null || value === undefined ? null : (
          <div key={name} style={{ display: "contents" }}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ),
      )}
    </dl>
  );
}
