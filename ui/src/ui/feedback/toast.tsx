import { notifications } from "@mantine/notifications";
import type { ReactNode } from "react";
import { asApiError } from "@/api/errors";
import { ErrorText } from "./ErrorText";

const SHOWN_MS = 5000;

/** Short messages in a corner. Those about failures remain until a person closes them. */
export const toast = {
  success(message: ReactNode): void {
    notifications.show({ message, color: "green", autoClose: SHOWN_MS, role: "status" });
  },

  /** @param title what could not be done: "The run was not cancelled". */
  failure(title: string, error: unknown): void {
    notifications.show({
      title,
      message: <ErrorText error={asApiError(error)} />,
      color: "red",
      autoClose: false,
      role: "alert",
    });
  },
};
