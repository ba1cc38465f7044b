import { Button, Group, Modal, Text } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { useStartRun } from "@/api/testRuns";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { hasChanges } from "./draftNeeds";
import type { DraftState } from "./draftTypes";
import { readDocument } from "./language/complete";
import { strings } from "./strings";
import { useInputForm } from "./useInputForm";

type Props = { isOpen: boolean; state: DraftState; pipelineId: string; onClose: () => void };

/** Starts a run of the saved version. */
export function RunDialog({ isOpen, state, pipelineId, onClose }: Props) {
  const { base, latestVersion } = state;
  const version = latestVersion ?? base.version;
  const document = useMemo(() => readDocument(base.text ?? ""), [base.text]);
  const { form, read } = useInputForm(document, null);
  const start = useStartRun(pipelineId);
  const navigate = useNavigate();
  const run = () => {
    const input = read();
    if (input === null) return;
    start.mutate(input, {
      onSuccess: ({ id, run_id }) => void navigate({ href: `/runs/${id ?? run_id}` }),
    });
  };
  return (
    <Modal opened={isOpen && version !== null} onClose={onClose} title={strings.runTitle}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          run();
        }}
      >
        <Text mb="sm" c="dimmed">
          {version !== null && strings.runHint(version)} {hasChanges(state) && strings.runUnsaved}
        </Text>
        {form}
        {start.error && <ErrorState error={start.error} title={strings.runFailed} />}
        <Group justify="flex-end" mt="md" gap="sm">
          <Button variant="default" onClick={onClose}>
            {strings.cancel}
          </Button>
          <Button type="submit" loading={start.isPending}>
            {strings.start}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
