import { lazy, type ReactNode, Suspense } from "react";

const ConfirmModal = lazy(() => import("./ConfirmModal"));

export type ConfirmProps = {
  /** A question that names what is affected: "Revoke the key “deploy”?". */
  title: string;
  /** What happens, and what cannot be undone. */
  children: ReactNode;
  /** The verb of the question: "Revoke". */
  action: string;
  /** The other button. Default: Cancel. */
  keep?: string;
  isOpen: boolean;
  isPending?: boolean;
  onConfirm: () => void;
  onClose: () => void;
};

/** Asks once before an action that cannot be undone. Focus begins on Cancel. */
export function ConfirmDialog(props: ConfirmProps) {
  return props.isOpen ? (
    <Suspense fallback={null}>
      <ConfirmModal {...props} />
    </Suspense>
  ) : null;
}
