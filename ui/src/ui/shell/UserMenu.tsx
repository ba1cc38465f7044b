import { ActionIcon } from "@mantine/core";
import { CircleUserRound } from "lucide-react";
import { useUser } from "@/api/session";
import { useLazyMenu } from "./useLazyMenu";

const load = () => import("./UserMenuContent");

/** The account, the theme, and signing out. */
export function UserMenu() {
  const user = useUser();
  const { Menu, menu, button } = useLazyMenu(load);
  return (
    <>
      <ActionIcon aria-label={`Account ${user.email}`} {...button}>
        <CircleUserRound size={20} />
      </ActionIcon>
      {Menu && <Menu {...menu} />}
    </>
  );
}
