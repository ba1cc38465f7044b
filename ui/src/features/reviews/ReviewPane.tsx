import { Anchor } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useDenied } from "@/api/access";
import { useNameOf } from "@/api/members";
import {
  type Answer,
  type ReviewDetail,
  type ReviewKey,
  reviewDetailQuery,
  useDecideReview,
} from "@/api/reviews";
import { useUser } from "@/api/session";
import { PipelineLink, RunLink } from "@/features/run/links";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { toast } from "@/ui/feedback/toast";
import { RelativeTime } from "@/ui/format/Values";
import type { Draft } from "./draft";
import { ReviewCard } from "./ReviewCard";
import classes from "./Reviews.module.css";
import { isAssigned } from "./search";
import { strings } from "./strings";

type Props = {
  reviewKey: ReviewKey;
  draft: Draft;
  onDraft: (draft: Draft) => void;
  onDecided: () => void;
};

/** The selected review, open or closed. */
export default function ReviewPane(props: Props) {
  const { data, error, refetch } = useQuery(reviewDetailQuery(props.reviewKey));
  if (data === undefined && error !== null) {
    return <ErrorState error={error} title={strings.detailFailed} onRetry={() => void refetch()} />;
  }
  if (data === undefined) return <TextSkeleton lines={8} />;
  return (
    <div className={classes.card}>
      <h2 className={classes.title} dir="auto">
        <PipelineLink pipelineId={data.pipeline_id}>{data.pipeline_name}</PipelineLink>
      </h2>
      {data.closed_at === null ? <Open {...props} review={data} /> : <Closed review={data} />}
    </div>
  );
}

function Open({ review, draft, onDraft, onDecided }: Props & { review: ReviewDetail }) {
  const decide = useDecideReview(review);
  const send = async (answer: Answer) => {
    // Not a callback of `mutate`: it is not called if the closed review replaces this component first.
    await decide.mutateAsync(answer);
    const done = answer.decision === "approve" ? strings.approved : strings.rejected;
    toast.success(`${done}: ${review.pipeline_name}. ${strings.continues}`);
    onDecided();
  };
  const { assignees } = review;
  const { email } = useUser();
  const nameOf = useNameOf();
  // Assignees can decide, whatever their role is.
  const canAlways = isAssigned(review, email);
  const denied = useDenied("pipelines:execute", "decide this review");
  return (
    <ReviewCard
      review={review}
      facts={[
        [strings.run, <RunLink key="run" runId={review.run_id} />],
        [
          strings.assignees,
          assignees.length > 0 ? assignees.map(nameOf).join(", ") : strings.anyone,
        ],
      ]}
      denied={canAlways || denied === null ? null : `${denied} ${strings.assigneesToo}`}
      draft={draft}
      onDraft={onDraft}
      sending={decide.isPending ? decide.variables.decision : null}
      error={decide.error}
      // The failure is shown from the state of the mutation.
      onDecide={(answer) => void send(answer).catch(() => undefined)}
    />
  );
}

function Closed({ review }: { review: ReviewDetail }) {
  const { run_id: runId, step_id: step, decision, reviewer } = review;
  const nameOf = useNameOf();
  return (
    <>
      <p role="status" className={classes.closed}>
        {strings.closed}:{" "}
        {decision === null ? (
          strings.closedWithout
        ) : (
          <>
            {reviewer !== null && nameOf(reviewer)} {strings.closedBy[decision]}{" "}
            <RelativeTime time={review.closed_at} />.
          </>
        )}
      </p>
      <Anchor
        renderRoot={(link) => (
          <Link to="/runs/$runId" params={{ runId }} search={{ step }} {...link} />
        )}
      >
        {strings.openRun}
      </Anchor>
    </>
  );
}
