import { type ComponentType, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { toast } from "../feedback/toast";
import type { MenuProps } from "./MenuPopover";

type Load<Props> = () => Promise<{ default: ComponentType<Props> }>;

/** A menu whose code is loaded when it opens for the first time. */
export function useLazyMenu<Props extends MenuProps>(load: Load<Props>) {
  const button = useRef<HTMLButtonElement>(null);
  const [isOpen, setOpen] = useState(false);
  const [Menu, setMenu] = useState<ComponentType<Props> | null>(null);
  const toggle = async () => {
    try {
      const loaded = Menu ?? (await load()).default;
      // First closed: when a menu opens, it notes where the focus returns to.
      flushSync(() => setMenu(() => loaded));
      setOpen(!isOpen);
    } catch (error) {
      toast.failure("The menu could not be loaded", error);
    }
  };
  return {
    Menu,
    close: () => setOpen(false),
    menu: { target: button.current, isOpen, onClose: () => setOpen(false) },
    button: {
      ref: button,
      "aria-haspopup": "dialog",
      "aria-expanded": isOpen,
      onClick: () => void toggle(),
      onMouseEnter: () => void load().catch(() => undefined),
    } as const,
  };
}
