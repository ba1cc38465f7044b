import { lazy, Suspense } from "react";
import type { ConfirmProps } from "./ConfirmModal";

const ConfirmModal = lazy(() => import("./ConfirmModal"));

/** Asks once before an action that cannot be undone. Focus begins on Cancel. */
export function ConfirmDialog(props: ConfirmProps) {
  return props.isOpen ? (
    <Suspense fallback={null}>
      <ConfirmModal {...props} />
    </Suspense>
  ) : null;
}
