import { Kbd, Modal } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Fragment, useEffect, useSyncExternalStore } from "react";
import classes from "./KeyHelp.module.css";
import { keyText } from "./keyText";
import { type KeyBinding, type KeyGroup, keyRegistry, listenForKeys } from "./registry";
import { useKeys } from "./useKeys";

/** Listens for keys, and lists the shortcuts of the open screen after `?`. The shell mounts it once. */
export function KeyHelp() {
  const [isOpen, { open, close }] = useDisclosure(false);
  const groups = useSyncExternalStore(keyRegistry.subscribe, keyRegistry.groups);
  useEffect(() => listenForKeys(keyRegistry), []);
  useKeys("Everywhere", [{ key: "?", label: "Show the keyboard shortcuts", run: open }]);
  return (
    <Modal opened={isOpen} onClose={close} title="Keyboard shortcuts" size="md">
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
