import { useRestoreVersion } from "@/api/versions";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { toast } from "@/ui/feedback/toast";
import { strings } from "./strings";

type Props = { id: string; version: number; current: number; onClose: () => void };

export function RestoreVersion({ id, version, current, onClose }: Props) {
  const restore = useRestoreVersion(id);
  return (
    <ConfirmDialog
      isOpen
      title={`Restore version ${version}?`}
      action={strings.restore}
      isPending={restore.isPending}
      onClose={onClose}
      onConfirm={() =>
        restore.mutate(
          { version, current },
          {
            onSuccess: (saved) => {
              toast.success(`Version ${version} is saved as version ${saved.version}.`);
              onClose();
            },
            onError: (error) => toast.failure(`Version ${version} was not restored`, error),
          },
        )
      }
    >
      {strings.restoreText}
    </ConfirmDialog>
  );
}
