import { notifications } from "@mantine/notifications";
import type { LostWorkspace } from "@/api/session";
import { strings } from "./strings";

const texts = strings.lost;

/** Says that the tab shows another workspace than before. It remains until the person closes it. */
export function showLostWorkspace({ name }: LostWorkspace, shown: string): void {
  notifications.show({
    title: name === null ? texts.unnamed : texts.named(name),
    message: name === null ? texts.notYours(shown) : texts.now(shown),
    color: "yellow",
    autoClose: false,
    role: "alert",
  });
}
