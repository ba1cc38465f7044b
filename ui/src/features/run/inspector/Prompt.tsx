import { useQuery } from "@tanstack/react-query";
import { versionQuery } from "@/api/run";
import { TextViewer } from "@/ui/text/TextViewer";
import { definitionOf, type TabProps } from "./kinds";
import { Note, Section } from "./parts";
import { strings } from "./strings";
import { field, useLastOperation } from "./useOperation";

const HEIGHT = 280;

type Message = { role: string; text: string };

/** The prompt as it was sent, beside the template that it was rendered from. */
export function Prompt({ run, detail, attempt }: TabProps) {
  const { data: version } = useQuery(versionQuery(run.pipeline_id, run.pipeline_version));
  const { operation } = useLastOperation({ detail, attempt });
  const template = definitionOf(version?.definition, detail.step_id);
  const parts: [string, unknown][] = [
    [strings.systemPrompt, detail.system_prompt],
    [strings.systemTemplate, templateOf(template?.system_prompt, detail.system_prompt)],
    [strings.prompt, detail.prompt],
    [strings.template, templateOf(template?.prompt, detail.prompt)],
  ];
  const shown = parts.filter((part): part is [string, string] => typeof part[1] === "string");
  const more = messagesOf(field(operation?.request, "messages")).filter(
    ({ text }) => text !== detail.prompt && text !== detail.system_prompt,
  );
  if (shown.length === 0 && more.length === 0) return <Note>{strings.noPrompt}</Note>;
  return (
    <>
      {shown.map(([title, text]) => (
        <Section key={title} title={title}>
          <TextViewer text={text} label={title} maxHeight={HEIGHT} />
        </Section>
      ))}
      {more.map(({ role, text }, index) => (
        <Section key={`${index} ${role}`} title={`${strings.messages}: ${role}`}>
          <TextViewer text={text} label={role} maxHeight={HEIGHT} />
        </Section>
      ))}
    </>
  );
}

/** A template without placeholders is the same as what was sent. */
function templateOf(template: unknown, sent: string | null): string | null {
  return typeof template === "string" && template.trim() !== sent?.trim() ? template : null;
}

function messagesOf(value: unknown): Message[] {
  if (!Array.isArray(value)) return [];
  return value.filter(
    (each): each is Message =>
      typeof each === "object" && each !== null && typeof each.text === "string",
  );
}
