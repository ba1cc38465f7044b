import { Button, Group, Modal, Radio, Stack, Text, TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { useCreateBulkJob } from "@/api/bulkJobs";
import { toast } from "@/ui/feedback/toast";
import { type BulkAction, type BulkTarget, bulkRequest, countOf } from "./bulkRequest";
import { strings } from "./strings";

type Props = { action: BulkAction; target: BulkTarget; onClose: () => void };

/** Asks once, creates the job, and opens its page. */
export default function BulkDialog({ action, target, onClose }: Props) {
  const [name, setName] = useState("");
  const [from, setFrom] = useState("start");
  const [version, setVersion] = useState("same");
  const create = useCreateBulkJob();
  const navigate = useNavigate();
  const title = strings.title(action, countOf(target));

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const options = { name, from, version: version === "latest" ? version : "same" } as const;
    create.mutate(bulkRequest(target, action, options), {
      onSuccess: ({ id }) => void navigate({ to: "/jobs/$jobId", params: { jobId: id } }),
      onError: (error) => toast.failure(strings.failed[action], error),
    });
  };
  return (
    <Modal opened onClose={onClose} title={title}>
      <form onSubmit={submit}>
        <Stack gap={16}>
          <Text>{strings.text[action]}</Text>
          {target.kind === "filter" && <Text>{strings.filterText}</Text>}
          {action === "retry" && (
            <>
              <Radio.Group label={strings.from} value={from} onChange={setFrom}>
                <Stack gap={8} mt={8}>
                  <Radio value="start" label={strings.fromStart} />
                  <Radio value="failed" label={strings.fromFailed} />
                </Stack>
              </Radio.Group>
              <Radio.Group label={strings.version} value={version} onChange={setVersion}>
                <Stack gap={8} mt={8}>
                  <Radio value="same" label={strings.versionSame} />
                  <Radio value="latest" label={strings.versionLatest} />
                </Stack>
              </Radio.Group>
            </>
          )}
          <TextInput
            label={strings.name}
            description={strings.nameHint}
            maxLength={200}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {strings.keep[action]}
            </Button>
            <Button
              type="submit"
              color={action === "cancel" ? "red" : undefined}
              loading={create.isPending}
            >
              {title}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
