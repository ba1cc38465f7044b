import { Anchor } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useNameOf } from "@/api/members";
import { type Run, reviewQuery, type StepDetail } from "@/api/run";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { RelativeTime } from "@/ui/format/Values";
import { SafeMarkdown } from "@/ui/text/SafeMarkdown";
import { TextViewer } from "@/ui/text/TextViewer";
import { changedLines } from "./changedLines";
import { Facts, Note, Section } from "./parts";
import { strings } from "./strings";
import { field } from "./useOperation";
import { ValueView } from "./ValueView";

const texts = strings.review;

/** What a person was asked, and what they decided and changed. */
export function Review({ run, detail }: { run: Run; detail: StepDetail }) {
  const inRun = detail.executed_in ?? run.id;
  const { data, error } = useQuery(reviewQuery(inRun, detail, detail.status));
  const nameOf = useNameOf();
  if (error) return <ErrorState error={error} title={strings.notLoaded} />;
  if (data === undefined) return <TextSkeleton />;
  const comment = field(detail.output, "comment");
  const decided = field(detail.output, "decided_at");
  const output = field(detail.output, "output");
  return (
    <>
      <Section title={texts.asked}>
        <SafeMarkdown text={data.message} label={texts.asked} />
      </Section>
      <Facts
        facts={[
          [texts.requested, <RelativeTime key="at" time={data.requested_at} />],
          [
            texts.assignees,
            data.assignees.length > 0 ? data.assignees.map(nameOf).join(", ") : null,
          ],
          [
            texts.expires,
            data.closed_at === null ? <RelativeTime key="at" time={data.expires_at} /> : null,
          ],
          [texts.answer, data.decision ?? (data.closed_at === null ? texts.waiting : texts.nobody)],
          [texts.reviewer, data.reviewer && nameOf(data.reviewer)],
          [
            texts.decided,
            typeof decided === "string" ? <RelativeTime key="at" time={decided} /> : null,
          ],
          [texts.comment, typeof comment === "string" && comment !== "" ? comment : null],
        ]}
      />
      {data.closed_at === null && (
        <Anchor
          renderRoot={(props) => (
            <Link
              to="/reviews"
              search={{ run: inRun, step: detail.step_id, iteration: detail.iteration }}
              {...props}
            />
          )}
        >
          {texts.open}
        </Anchor>
      )}
      {output !== undefined && data.editable && <Changes before={data.input} after={output} />}
      <Section title={texts.data}>
        <ValueView value={data.input} label={texts.data} />
      </Section>
    </>
  );
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function Changes({ before, after }: { before: unknown; after: unknown }) {
  const lines = changedLines(asText(before), asText(after));
  if (lines === null) return <Note>{texts.unchanged}</Note>;
  return (
    <Section title={texts.changed}>
      <TextViewer text={lines} label={texts.changed} />
    </Section>
  );
}
