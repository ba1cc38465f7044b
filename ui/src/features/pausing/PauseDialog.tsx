import { Button, Group, Modal, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { type Pausable, usePausePipeline } from "@/api/pipelines";
import { toast } from "@/ui/feedback/toast";
import classes from "./Pausing.module.css";
import { strings } from "./strings";

/** Asks before an active pipeline is paused, or a paused one resumed. */
export default function PauseDialog({
  pipeline: { id, name, status },
  onClose,
}: {
  pipeline: Pausable;
  onClose: () => void;
}) {
  const [reason, setReason] = useState("");
  const change = usePausePipeline(id);
  const isPaused = status === "paused";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate(isPaused ? null : { reason: reason.trim() || null }, {
      onSuccess: () => {
        toast.success(isPaused ? strings.resumeDone : strings.pauseDone);
        onClose();
      },
      onError: (error) => toast.failure(isPaused ? strings.notResumed : strings.notPaused, error),
    });
  };
  return (
    <Modal
      opened
      centered
      onClose={onClose}
      title={isPaused ? strings.resumeQuestion(name) : strings.pauseQuestion(name)}
    >
      <form onSubmit={submit}>
        <p className={classes.text}>{isPaused ? strings.resumeText : strings.pauseText}</p>
        {!isPaused && (
          <TextInput
            label={strings.reason}
            description={strings.reasonHint}
            maxLength={500}
            value={reason}
            data-autofocus
            onChange={(event) => setReason(event.currentTarget.value)}
          />
        )}
        <Group justify="flex-end" gap={8} mt={16}>
          <Button variant="default" onClick={onClose} data-autofocus={isPaused || undefined}>
            {strings.cancel}
          </Button>
          <Button type="submit" loading={change.isPending}>
            {isPaused ? strings.resume : strings.pause}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
