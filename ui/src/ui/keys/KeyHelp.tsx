import { Kbd, Modal } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Fragment, useEffect, useSyncExternalStore } from "react";
import classes from "./KeyHelp.module.css";
import { keyRegistry, listenForKeys } from "./registry";
import { useKeys } from "./useKeys";

const isApple = /Mac|iPhone|iPad/.test(navigator.userAgent);

export function keyText(key: string): string {
  const named = key.replace("mod+", isApple ? "⌘ " : "Ctrl ");
  return named.length === 1 ? named : named.replace(/ (\w)$/, (end) => end.toUpperCase());
}

/** Listens for keys, and lists the shortcuts of the open screen after `?`. The shell mounts it once. */
export function KeyHelp() {
  const [isOpen, { open, close }] = useDisclosure(false);
  const groups = useSyncExternalStore(keyRegistry.subscribe, keyRegistry.groups);
  useEffect(() => listenForKeys(keyRegistry), []);
  useKeys("Everywhere", [{ key: "?", label: "Show the keyboard shortcuts", run: open }]);
  return (
    <Modal opened={isOpen} onClose={close} title="Keyboard shortcuts" size="md">
      {[...groups].reverse().map((group) => (
        <section key={group.title} className={classes.group}>
          <h2 className={classes.title}>{group.title}</h2>
          <dl className={classes.list}>
            {group.bindings.map((binding) => (
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
