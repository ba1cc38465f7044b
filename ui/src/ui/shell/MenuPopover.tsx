import { Popover } from "@mantine/core";
import { type ReactNode, type RefCallback, useEffect } from "react";
import classes from "./MenuPopover.module.css";

export type MenuProps = {
  /** The button of the menu. */
  target: HTMLElement | null;
  isOpen: boolean;
  onClose: () => void;
};

type Props = MenuProps & {
  label: string;
  position: "bottom-start" | "bottom-end";
  children: ReactNode;
};

/** The part of a menu that is loaded when it opens for the first time. */
export function MenuPopover({ target, isOpen, onClose, label, position, children }: Props) {
  return (
    <Popover
      opened={isOpen}
      onChange={(isStillOpen) => isStillOpen || onClose()}
      width={264}
      position={position}
      trapFocus
      returnFocus
      withRoles={false}
    >
      <Popover.Target>
        <Button target={target} />
      </Popover.Target>
      <Popover.Dropdown role="dialog" aria-label={label} className={classes.dropdown}>
        {children}
      </Popover.Dropdown>
    </Popover>
  );
}

/** Makes a button that is elsewhere in the tree the target of the popover. */
function Button({ target, ref }: { target: HTMLElement | null; ref?: RefCallback<HTMLElement> }) {
  useEffect(() => {
    ref?.(target);
    return () => void ref?.(null);
  }, [target, ref]);
  return null;
}
