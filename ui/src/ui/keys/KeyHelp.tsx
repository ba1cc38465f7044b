import { useDisclosure } from "@mantine/hooks";
import { lazy, Suspense, useLayoutEffect } from "react";
import { keyRegistry, listenForKeys } from "./registry";
import { useKeys } from "./useKeys";

const KeyHelpDialog = lazy(() => import("./KeyHelpDialog"));

/** Listens for keys, and lists the shortcuts of the open screen after `?`. The shell mounts it once. */
export function KeyHelp() {
  const [isOpen, { open, close }] = useDisclosure(false);
  useLayoutEffect(() => listenForKeys(keyRegistry), []);
  useKeys("Everywhere", [{ key: "?", label: "Show the keyboard shortcuts", run: open }]);
  return <Suspense>{isOpen && <KeyHelpDialog onClose={close} />}</Suspense>;
}
