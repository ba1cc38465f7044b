import { ActionIcon, Menu, SegmentedControl, useMantineColorScheme } from "@mantine/core";
import { BookOpen, CircleUserRound, LogOut, Monitor, Moon, Sun } from "lucide-react";
import { useSignOut, useUser } from "@/api/session";
import { toast } from "../feedback/toast";
import classes from "./UserMenu.module.css";

const SCHEMES = [
  { value: "auto", label: "System", icon: Monitor },
  { value: "light", label: "Light", icon: Sun },
  { value: "dark", label: "Dark", icon: Moon },
] as const;
type Scheme = (typeof SCHEMES)[number]["value"];

/** The account, the theme, and signing out. */
export function UserMenu() {
  const user = useUser();
  const signOut = useSignOut();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const leave = () =>
    signOut.mutate(undefined, {
      onError: (error) => toast.failure("You are still signed in", error),
    });
  return (
    <Menu width={240}>
      <Menu.Target>
        <ActionIcon aria-label={`Account ${user.email}`}>
          <CircleUserRound size={20} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <div className={classes.account}>
          <span className={classes.name}>{user.name}</span>
          <span className={classes.email}>{user.email}</span>
        </div>
        <Menu.Divider />
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
        <Menu.Divider />
        <Menu.Item
          component="a"
          href="/docs"
          target="_blank"
          leftSection={<BookOpen size={16} aria-hidden />}
        >
          API reference
        </Menu.Item>
        <Menu.Item leftSection={<LogOut size={16} aria-hidden />} onClick={leave}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
