import { useLeaveWorkspace } from "@/api/workspaces";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { toast } from "@/ui/feedback/toast";
import { strings } from "./strings";

type Props = { name: string; onClose: () => void };

/** Asks before the person leaves the workspace of this tab. */
export default function LeaveWorkspace({ name, onClose }: Props) {
  const leave = useLeaveWorkspace();
  return (
    <ConfirmDialog
      isOpen
      title={strings.leaveTitle(name)}
      action={strings.leave}
      isPending={leave.isPending || leave.isSuccess}
      onClose={onClose}
      onConfirm={() =>
        leave.mutate(undefined, {
          onError: (error) => {
            onClose();
            toast.failure(strings.notLeft, error);
          },
        })
      }
    >
      {strings.leaveText}
    </ConfirmDialog>
  );
}
