import { Kbd, Modal } from "@mantine/core";
import { Fragment, useSyncExternalStore } from "react";
import classes from "./KeyHelp.module.css";
import { keyText } from "./keyText";
import { type KeyBinding, type KeyGroup, keyRegistry } from "./registry";

/** Lists the shortcuts of the open screen. */
export default function KeyHelpDialog({ onClose }: { onClose: () => void }) {
  const groups = useSyncExternalStore(keyRegistry.subscribe, keyRegistry.groups);
  return (
    <Modal opened onClose={onClose} title="Keyboard shortcuts" size="md">
      {byTitle(groups).map(([title, bindings]) => (
        <section key={title} className={classes.group}>
          <h2 className={classes.title}>{title}</h2>
          <dl className={classes.list}>
            {bindings.map((binding) => (
              <Fragment key={binding.key}>
                <dt>
                  <Kbd>{keyText(binding.key)}</Kbd>
                </dt>
                <dd>{binding.label}</dd>
              </Fragment>
            ))}
          </dl>
        </section>
      ))}
    </Modal>
  );
}

/** The groups that were added last come first. Those with the same title are one. */
function byTitle(groups: readonly KeyGroup[]): [string, KeyBinding[]][] {
  const merged = new Map<string, KeyBinding[]>();
  for (const { title, bindings } of [...groups].reverse()) {
    merged.set(title, [...(merged.get(title) ?? []), ...bindings]);
  }
  return [...merged];
}
