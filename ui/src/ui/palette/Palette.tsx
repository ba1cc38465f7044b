import { Button, Kbd } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Search } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { keyText } from "../keys/keyText";
import { useKeys } from "../keys/useKeys";
import classes from "./Palette.module.css";

const PaletteDialog = lazy(() => import("./PaletteDialog"));
const KEY = "mod+k";

/** The button of the command palette. The dialog is loaded when it opens for the first time. */
export function Palette() {
  const [isOpen, { open, close }] = useDisclosure(false);
  const [isLoaded, setLoaded] = useState(false);
  const show = () => {
    setLoaded(true);
    open();
  };
  useKeys("Everywhere", [{ key: KEY, label: "Find a page, pipeline, run or action", run: show }]);
  return (
    <>
      <Button
        variant="default"
        className={classes.button}
        leftSection={<Search size={16} aria-hidden />}
        rightSection={
          <Kbd size="xs" className={classes.key}>
            {keyText(KEY)}
          </Kbd>
        }
        aria-keyshortcuts="Control+K Meta+K"
        onClick={show}
      >
        <span className={classes.name}>Search</span>
      </Button>
      {isLoaded && (
        <Suspense>
          <PaletteDialog isOpen={isOpen} onClose={close} />
        </Suspense>
      )}
    </>
  );
}
