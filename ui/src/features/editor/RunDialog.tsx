import { Button, Group, Modal, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { recentRunsQuery, useStartRun } from "@/api/testRuns";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
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
  const { data: runs, isLoading } = useQuery({ ...recentRunsQuery(pipelineId), enabled: isOpen });
  const document = useMemo(() => readDocument(base.text ?? ""), [base.text]);
  const { form, read } = useInputForm(document, runs);
  const start = useStartRun(pipelineId);
  const navigate = useNavigate();
  const run = () => {
    const input = read();
    if (input === null) return;
    start.mutate(input, {
      onSuccess: ({ id }) => void navigate({ href: `/runs/${id}` }),
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
        {isLoading ? <TextSkeleton lines={3} /> : form}
        {start.error && <ErrorState error={start.error} title={strings.runFailed} />}
        <Group justify="flex-end" mt="md" gap="sm">
          <Button variant="default" onClick={onClose}>
            {strings.cancel}
          </Button>
          <Button type="submit" loading={start.isPending} disabled={isLoading}>
            {strings.start}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
