import { ActionIcon, Menu } from "@mantine/core";
import { Braces, Copy, Download, Ellipsis, Terminal } from "lucide-react";
import { exportRun, type Run } from "@/api/run";
import { toast } from "@/ui/feedback/toast";
import { openBlob, saveBlob } from "@/ui/files";
import { copyText } from "./copyText";
import { strings } from "./strings";

/** The command that reads a run. */
function curlFor(run: Pick<Run, "id">, origin: string): string {
  return `curl ${origin}/api/runs/${run.id} -H "X-API-Key: $STEPIQ_API_KEY"`;
}

function fileFailed(error: unknown): void {
  toast.failure(strings.fileFailed, error);
}

export default function RunMenu({ run }: { run: Run }) {
  const load = (use: (file: Blob) => void) => void exportRun(run.id).then(use).catch(fileFailed);
  return (
    <Menu>
      <Menu.Target>
        <ActionIcon variant="default" aria-label={strings.more}>
          <Ellipsis size={16} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<Copy size={14} />} onClick={() => void copyText(run.id)}>
          {strings.copyId}
        </Menu.Item>
        <Menu.Item
          leftSection={<Terminal size={14} />}
          onClick={() => void copyText(curlFor(run, window.location.origin))}
        >
          {strings.copyCurl}
        </Menu.Item>
        <Menu.Item leftSection={<Braces size={14} />} onClick={() => load(openBlob)}>
          {strings.rawJson}
        </Menu.Item>
        <Menu.Item
          leftSection={<Download size={14} />}
          onClick={() => load((file) => saveBlob(file, `run-${run.id}.json`))}
        >
          {strings.download}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
