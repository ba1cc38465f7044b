import { SegmentedControl, UnstyledButton, useMantineColorScheme } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { BookOpen, LogOut, Monitor, Moon, Sun } from "lucide-react";
import { useUser } from "@/api/session";
import { MenuPopover, type MenuProps } from "./MenuPopover";
import menu from "./MenuPopover.module.css";
import classes from "./UserMenu.module.css";
import { useSignOutWithToast } from "./useSignOutWithToast";

const SCHEMES = [
  { value: "auto", label: "System", icon: Monitor },
  { value: "light", label: "Light", icon: Sun },
  { value: "dark", label: "Dark", icon: Moon },
] as const;
type Scheme = (typeof SCHEMES)[number]["value"];

export default function UserMenuContent(props: MenuProps) {
  const user = useUser();
  const signOut = useSignOutWithToast();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <MenuPopover {...props} label="Account" position="bottom-end">
      <div className={classes.account}>
        {user.name !== user.email && (
          <span className={classes.name} dir="auto">
            {user.name}
          </span>
        )}
        <span className={classes.email}>{user.email}</span>
      </div>
      <div className={classes.theme}>
        <SegmentedControl
          aria-label="Theme"
          fullWidth
          size="xs"
          value={colorScheme}
          onChange={(value) => setColorScheme(value as Scheme)}
          data={SCHEMES.map(({ value, label, icon: Icon }) => ({
            value,
            label: (
              <span className={classes.scheme}>
                <Icon size={14} aria-hidden /> {label}
              </span>
            ),
          }))}
        />
      </div>
      <Link to="/docs" className={menu.item} onClick={props.onClose}>
        <BookOpen size={16} aria-hidden />
        API reference
      </Link>
      <UnstyledButton className={menu.item} onClick={signOut}>
        <LogOut size={16} aria-hidden />
        Sign out
      </UnstyledButton>
    </MenuPopover>
  );
}
