import { type Schedule, useDeleteSchedule } from "@/api/schedules";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { toast } from "@/ui/feedback/toast";
import { strings } from "./strings";

type Props = { schedule: Schedule; onClose: () => void; onDeleted: () => void };

export function DeleteSchedule({ schedule, onClose, onDeleted }: Props) {
  const remove = useDeleteSchedule();
  return (
    <ConfirmDialog
      isOpen
      title={`Delete the schedule “${schedule.name}”?`}
      action={strings.delete}
      isPending={remove.isPending}
      onClose={onClose}
      onConfirm={() =>
        remove.mutate(schedule.id, {
          onSuccess: () => {
            toast.success(`The schedule “${schedule.name}” is deleted.`);
            onDeleted();
          },
          onError: (error) => toast.failure("The schedule was not deleted", error),
        })
      }
    >
      {strings.deleteText}
    </ConfirmDialog>
  );
}
