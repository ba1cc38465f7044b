import { Button, Group, Modal, Textarea } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { useTryPrompt } from "@/api/models";
import { FormError } from "@/ui/feedback/FormError";
import classes from "./Settings.module.css";
import { strings } from "./strings";

/** Sends a prompt to a model as a run, and opens the run. */
export default function TryPrompt({ model, onClose }: { model: string; onClose: () => void }) {
  const [prompt, setPrompt] = useState("");
  const attempt = useTryPrompt();
  const navigate = useNavigate();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    attempt.mutate(
      { model, prompt },
      {
        onSuccess: (run) =>
          void navigate({
            to: "/runs/$runId",
            params: { runId: run.id },
            search: { step: "answer" },
          }),
      },
    );
  };
  return (
    <Modal opened onClose={onClose} title={`${strings.tryPrompt} with ${model}`} size="lg" centered>
      <form onSubmit={submit} className={classes.form} noValidate>
        <FormError error={attempt.error} fields={[]} />
        <Textarea
          label={strings.prompt}
          data-autofocus
          rows={6}
          value={prompt}
          onChange={(event) => setPrompt(event.currentTarget.value)}
        />
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={attempt.isPending} disabled={prompt.trim() === ""}>
            {strings.run}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
