import type { ReactNode } from "react";
import { useDeleteSecret } from "@/api/secrets";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { toast } from "@/ui/feedback/toast";
import { strings } from "./strings";

type Props = {
  name: string;
  /** The pipeline of the secret. Without it, the secret belongs to the workspace. */
  pipelineId?: string;
  /** What the deletion means. */
  children: ReactNode;
  onClose: () => void;
};

export function DeleteSecret({ name, pipelineId, children, onClose }: Props) {
  const remove = useDeleteSecret(pipelineId);
  return (
    <ConfirmDialog
      isOpen
      title={strings.deleteTitle(name)}
      action={strings.deleteSecret}
      isPending={remove.isPending}
      onClose={onClose}
      onConfirm={() =>
        remove.mutate(name, {
          onSuccess: () => {
            toast.success(strings.deleted(name));
            onClose();
          },
          onError: (error) => toast.failure(strings.notDeleted, error),
        })
      }
    >
      {children}
    </ConfirmDialog>
  );
}
