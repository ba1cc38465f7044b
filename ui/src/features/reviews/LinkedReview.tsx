import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { asApiError } from "@/api/errors";
import { linkedReviewQuery, type ReviewForLink, useDecideByLink } from "@/api/reviews";
import { LinkPage, LinkProblem } from "@/features/links/LinkPage";
import { useLinkToken } from "@/features/links/useLinkToken";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { EMPTY_DRAFT } from "./draft";
import { ReviewCard } from "./ReviewCard";
import classes from "./Reviews.module.css";
import { strings } from "./strings";

const texts = strings.link;

/** A review for the holder of a link, who needs no account. Only a button decides, because programs open links too. */
export function LinkedReview() {
  const { token, forget } = useLinkToken();
  if (token === null) {
    return (
      <LinkPage title={texts.title}>
        <LinkProblem title={texts.incomplete}>{texts.incompleteText}</LinkProblem>
      </LinkPage>
    );
  }
  return <Opened key={token} token={token} onOver={forget} />;
}

function Opened({ token, onOver }: { token: string; onOver: () => void }) {
  const { data, error, refetch } = useQuery(linkedReviewQuery(token));
  if (data !== undefined) return <Asked token={token} review={data} onOver={onOver} />;
  return (
    <LinkPage title={texts.title}>
      {error === null ? (
        <TextSkeleton lines={8} />
      ) : (
        <LinkProblem title={texts.failed} error={error} onRetry={() => void refetch()} />
      )}
    </LinkPage>
  );
}

type AskedProps = { token: string; review: ReviewForLink; onOver: () => void };

function Asked({ token, review, onOver }: AskedProps) {
  const [draft, setDraft] = useState(EMPTY_DRAFT);
  const decide = useDecideByLink(token);
  const isOver = decide.error !== null && [404, 409].includes(asApiError(decide.error).status);
  return (
    <LinkPage title={review.pipeline_name} tab={`${review.pipeline_name}, ${texts.title}`}>
      {decide.isSuccess && (
        <p role="status" className={classes.closed}>
          {decide.data.decision === "approve" ? strings.approved : strings.rejected}. {texts.done}
        </p>
      )}
      {isOver && <LinkProblem title={texts.failed} error={decide.error} />}
      {!decide.isSuccess && !isOver && (
        <ReviewCard
          review={review}
          draft={draft}
          onDraft={setDraft}
          sending={decide.isPending ? decide.variables.decision : null}
          error={decide.error}
          note={`${texts.recordedAs(review.reviewer)} ${texts.firstCounts}`}
          onDecide={(answer) =>
            decide.mutate(answer, {
              // The link no longer works.
              onSuccess: onOver,
            })
          }
        />
      )}
    </LinkPage>
  );
}
