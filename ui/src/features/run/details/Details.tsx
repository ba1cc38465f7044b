import { ActionIcon, Tabs } from "@mantine/core";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import classes from "./Details.module.css";
import { strings } from "./strings";

type Props<Tab extends string> = {
  /** Accessible name: "Step ask". */
  label: string;
  /** What is selected. */
  head: ReactNode;
  /** Buttons of what is selected, left of the one that closes. */
  actions?: ReactNode;
  /** Null: there is nothing to return to. */
  onClose: (() => void) | null;
  tabs: readonly Tab[];
  tab: Tab;
  /** Texts of the tabs. */
  texts: Readonly<Record<Tab, string>>;
  onTab: (tab: Tab) => void;
  children: ReactNode;
};

/** The right side of the page: what is selected, one row of tabs, and the content of one of them. */
export function Details<Tab extends string>(props: Props<Tab>) {
  const { label, head, actions, onClose, tabs, tab, texts, onTab, children } = props;
  return (
    <section className={classes.details} aria-label={label}>
      <div className={classes.top}>
        <div className={classes.head}>{head}</div>
        {actions}
        {onClose !== null && (
          <ActionIcon size={24} aria-label={strings.close} onClick={onClose}>
            <X size={14} aria-hidden />
          </ActionIcon>
        )}
      </div>
      <Tabs
        className={classes.tabs}
        value={tab}
        onChange={(next) => {
          const chosen = tabs.find((each) => each === next);
          if (chosen !== undefined) onTab(chosen);
        }}
        keepMounted={false}
      >
        <Tabs.List aria-label={label} className={classes.list}>
          {tabs.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {texts[each]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={tab} className={classes.panel}>
          {children}
        </Tabs.Panel>
      </Tabs>
    </section>
  );
}
