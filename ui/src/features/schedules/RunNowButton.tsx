import { Anchor, Button } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { Play } from "lucide-react";
import { type Schedule, useRunScheduleNow } from "@/api/schedules";
import { toast } from "@/ui/feedback/toast";
import { strings } from "./strings";

/** Starts a run with the input of the schedule. */
export function RunNowButton({ schedule }: { schedule: Schedule }) {
  const start = useRunScheduleNow();
  const navigate = useNavigate();
  return (
    <Button
      leftSection={<Play size={16} aria-hidden />}
      loading={start.isPending}
      onClick={() =>
        start.mutate(schedule.id, {
          onSuccess: ({ id }) =>
            toast.success(
              <>
                The run is started. {/* Messages are outside of the router. */}
                <Anchor
                  size="sm"
                  href={`/runs/${id}`}
                  onClick={(event) => {
                    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
                    event.preventDefault();
                    void navigate({ to: "/runs/$runId", params: { runId: id } });
                  }}
                >
                  {strings.openRun}
                </Anchor>
              </>,
            ),
          onError: (error) => toast.failure("The run was not started", error),
        })
      }
    >
      {strings.runNow}
    </Button>
  );
}
