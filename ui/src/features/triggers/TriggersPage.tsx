import { Alert, Anchor, SegmentedControl } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useCan } from "@/api/access";
import { savedPipelineQuery } from "@/api/pipelines";
import { CodeBlock } from "@/ui/text/CodeBlock";
import { sampleInput } from "./sampleInput";
import type { TriggersSearch } from "./search";
import { LANGUAGES, snippet, TRIGGERS } from "./snippets";
import { strings } from "./strings";
import classes from "./Triggers.module.css";

type Props = { id: string; search: TriggersSearch };

/** How other systems start runs of a pipeline, with programs to copy. */
export function TriggersPage({ id, search }: Props) {
  const { trigger = "api", language = "curl" } = search;
  const { data: pipeline } = useSuspenseQuery(savedPipelineQuery(id));
  const navigate = useNavigate();
  const canWrite = useCan("pipelines:write");
  const show = (changes: TriggersSearch) =>
    void navigate({
      to: "/pipelines/$id/triggers",
      params: { id },
      search: { ...search, ...changes },
    });
  const input = sampleInput(pipeline?.definition);
  const code = snippet(trigger, language, {
    origin: window.location.origin,
    pipelineId: id,
    input,
  });
  const scheme = trigger === "webhook" ? verifyScheme(pipeline?.definition) : null;
  return (
    <div className={classes.page}>
      {pipeline?.status === "archived" && <Alert color="yellow">{strings.archived}</Alert>}
      <div className={classes.choices}>
        <SegmentedControl
          aria-label={strings.triggers}
          data={TRIGGERS.map((value) => ({ value, label: strings.triggerNames[value] }))}
          value={trigger}
          onChange={(value) => show({ trigger: value })}
        />
        <SegmentedControl
          aria-label={strings.language}
          data={LANGUAGES.map((value) => ({ value, label: strings.languageNames[value] }))}
          value={language}
          onChange={(value) => show({ language: value })}
        />
      </div>
      <p className={classes.text}>
        {strings.texts[trigger]} {strings.key}{" "}
        <Anchor renderRoot={(props) => <Link to="/settings/keys" {...props} />}>
          {strings.createKey}
        </Anchor>
      </p>
      {scheme !== null && (
        <Alert>
          {strings.signed(scheme)}{" "}
          <Anchor href="/docs/errors#signature_invalid" target="_blank" size="sm">
            {strings.howToSign}
          </Anchor>
        </Alert>
      )}
      <CodeBlock label={strings.languageNames[language]} code={code} />
      {trigger === "schedule" && (
        <div className={classes.choices}>
          <Anchor
            renderRoot={(props) => <Link to="/schedules" search={{ pipeline: id }} {...props} />}
          >
            {strings.showSchedules}
          </Anchor>
          {canWrite && (
            <Anchor
              renderRoot={(props) => (
                <Link to="/schedules" search={{ pipeline: id, create: true }} {...props} />
              )}
            >
              {strings.createSchedule}
            </Anchor>
          )}
        </div>
      )}
    </div>
  );
}

/** The scheme of `webhook.verify` in a definition; null without it. */
function verifyScheme(definition: Readonly<Record<string, unknown>> | undefined): string | null {
  const webhook = definition?.webhook as { verify?: { scheme?: unknown } } | null | undefined;
  const scheme = webhook?.verify?.scheme;
  return typeof scheme === "string" ? scheme : null;
}
