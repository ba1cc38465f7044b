import { Button, Textarea } from "@mantine/core";
import { Check, X } from "lucide-react";
import { type ReactNode, useRef, useState } from "react";
import type { Answer, Decision, ReviewForLink } from "@/api/reviews";
import { FormError } from "@/ui/feedback/FormError";
import { Deadline, RelativeTime } from "@/ui/format/Values";
import { useKeys } from "@/ui/keys/useKeys";
import { SafeMarkdown } from "@/ui/text/SafeMarkdown";
import { answerOf, type Draft, draftProblem, isEdited } from "./draft";
import classes from "./Reviews.module.css";
import { strings } from "./strings";
import { UnderReview } from "./UnderReview";

const MAX_COMMENT = 2000;

type Props = {
  review: Omit<ReviewForLink, "reviewer">;
  /** More facts, as names and values. */
  facts?: readonly (readonly [string, ReactNode])[];
  draft: Draft;
  onDraft: (draft: Draft) => void;
  onDecide: (answer: Answer) => void;
  /** The decision that is being sent. */
  sending: Decision | null;
  error: unknown;
  note?: ReactNode;
  /** Why the person cannot decide. The card then shows what is asked only. */
  denied?: string | null;
};

/** An open review: what is asked and about what, and the decision. */
export function ReviewCard(props: Props) {
  const { review, facts = [], draft, onDraft, onDecide, sending, error, note, denied } = props;
  const [isRefused, setRefused] = useState(false);
  const problem = draftProblem(review, draft);
  const decide = (decision: Decision) => {
    if (sending !== null) return;
    setRefused(problem !== null);
    if (problem === null) onDecide(answerOf(review, draft, decision));
  };
  const canDecide = !denied;
  const card = useRef<HTMLDListElement>(null);
  // In a narrow window, only the list is visible until a review is selected.
  const decideByKey = (decision: Decision) => {
    if (card.current?.checkVisibility()) decide(decision);
  };
  const keys = [
    { key: "a", label: strings.keys.approve, run: () => decideByKey("approve") },
    { key: "r", label: strings.keys.reject, run: () => decideByKey("reject") },
    { key: "mod+enter", label: strings.keys.send, run: () => decideByKey("approve") },
  ];
  useKeys(strings.keys.title, canDecide ? keys : []);
  const decision = (
    <>
      <Textarea
        label={strings.comment}
        rows={2}
        resize="vertical"
        maxLength={MAX_COMMENT}
        value={draft.comment}
        onChange={(event) => onDraft({ ...draft, comment: event.currentTarget.value })}
      />
      {isRefused && problem !== null && (
        <p role="alert" className={classes.refused}>
          {strings.fixJson}
        </p>
      )}
      <FormError error={error} fields={[]} />
      <div className={classes.buttons}>
        <Button
          leftSection={<Check size={16} aria-hidden />}
          loading={sending === "approve"}
          disabled={sending === "reject"}
          onClick={() => decide("approve")}
        >
          {strings.approve}
        </Button>
        <Button
          variant="default"
          leftSection={<X size={16} aria-hidden />}
          loading={sending === "reject"}
          disabled={sending === "approve"}
          onClick={() => decide("reject")}
        >
          {strings.reject}
        </Button>
        {isEdited(review, draft) && <span className={classes.dimmed}>{strings.withChanges}</span>}
      </div>
    </>
  );
  return (
    <>
      <dl ref={card} className={classes.facts}>
        <Fact name={strings.step}>
          <code className="mono">{review.step_id}</code>
        </Fact>
        <Fact name={strings.waiting}>
          <RelativeTime time={review.requested_at} />
        </Fact>
        <Fact name={strings.expires}>
          <Deadline time={review.expires_at} />
        </Fact>
        {facts.map(([name, value]) => (
          <Fact key={name} name={name}>
            {value}
          </Fact>
        ))}
      </dl>
      <section className={classes.section} aria-label={strings.question}>
        <SafeMarkdown text={review.message} label={strings.question} />
      </section>
      <UnderReview
        review={canDecide ? review : { ...review, editable: false }}
        draft={draft}
        onDraft={onDraft}
      />
      {canDecide ? decision : <p className={classes.dimmed}>{denied}</p>}
      {note && <p className={classes.dimmed}>{note}</p>}
    </>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className={classes.fact}>
      <dt>{name}</dt>
      <dd dir="auto">{children}</dd>
    </div>
  );
}
