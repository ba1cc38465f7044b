import { Anchor } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import type { ReactNode } from "react";
import { asApiError } from "@/api/errors";

const SHOWN_MS = 5000;

/** Short messages in a corner. Those about failures remain until a person closes them. */
export const toast = {
  success(message: ReactNode): void {
    notifications.show({ message, color: "green", autoClose: SHOWN_MS, role: "status" });
  },

  /** @param title what could not be done: "The run was not cancelled". */
  failure(title: string, error: unknown): void {
    const problem = asApiError(error);
    notifications.show({
      title,
      message: (
        <>
          {problem.message}
          {problem.docsUrl !== null && (
            <>
              {" "}
              <Anchor href={problem.docsUrl} target="_blank" size="sm">
                {problem.code}
              </Anchor>
            </>
          )}
        </>
      ),
      color: "red",
      autoClose: false,
      role: "alert",
    });
  },
};
