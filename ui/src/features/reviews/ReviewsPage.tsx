import { Button, SegmentedControl } from "@mantine/core";
import { useCallbackRef } from "@mantine/hooks";
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { ChevronLeft, ClipboardCheck } from "lucide-react";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { useEventStream } from "@/api/live/useEventStream";
import { openReviewsQuery, type ReviewKey } from "@/api/reviews";
import { runsStreamUrl } from "@/api/runs";
import { useUser } from "@/api/session";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TableSkeleton, TextSkeleton } from "@/ui/feedback/Skeletons";
import { toast } from "@/ui/feedback/toast";
import { useKeys } from "@/ui/keys/useKeys";
import { PageHeader } from "@/ui/PageHeader";
import { ReviewList } from "./ReviewList";
import classes from "./Reviews.module.css";
import {
  idOf,
  isAssigned,
  nextOf,
  type ReviewsSearch,
  sameReview,
  searchFor,
  selectedKey,
} from "./search";
import { strings } from "./strings";
import { useDrafts } from "./useDrafts";
import { useShownReview } from "./useShownReview";

const ReviewPane = lazy(() => import("./ReviewPane"));

/** Runs begin and stop to wait when reviews open and close. */
const WAITING_RUNS = runsStreamUrl({ status: ["waiting"] });
const TOGETHER_MS = 200;

export function ReviewsPage({ search }: { search: ReviewsSearch }) {
  const navigate = useNavigate({ from: "/reviews" });
  const { email } = useUser();
  const query = useInfiniteQuery(openReviewsQuery);
  const { draftOf, setDraft, forget } = useDrafts();
  const [decided, setDecided] = useState<ReadonlySet<string>>(new Set());
  useLiveReviews(query.isSuccess);

  const listed = query.data?.pages.flatMap(({ data }) => data) ?? [];
  // Until it is read again, the list contains what the person has decided.
  const all = listed.filter((review) => !decided.has(idOf(review)));
  const isMine = search.show === "mine";
  const rows = isMine ? all.filter((review) => isAssigned(review, email)) : all;
  const chosen = selectedKey(search);
  const { selected, release } = useShownReview(rows, search);
  const open = (key: ReviewKey | null) => {
    if (key === null) release();
    void navigate({ search: searchFor(search, key) });
  };
  const move = (by: 1 | -1) => {
    const index = selected === null ? -1 : rows.findIndex((row) => sameReview(row, selected));
    const next = rows[index + by];
    if (next !== undefined) open(next);
  };
  useKeys(strings.keys.title, [
    { key: "j", label: strings.keys.next, run: () => move(1) },
    { key: "k", label: strings.keys.previous, run: () => move(-1) },
  ]);
  // The response can arrive after the person has moved or has decided other reviews. `before`: the rows at the decision,
  // because the list can have been read again without the decided one.
  const onDecided = useCallbackRef((key: ReviewKey, before: readonly ReviewKey[]) => {
    forget(key);
    setDecided((known) => new Set(known).add(idOf(key)));
    if (selected === null || !sameReview(selected, key)) return;
    open(
      nextOf(
        before.filter((row) => !decided.has(idOf(row))),
        key,
      ),
    );
  });
  const more = () =>
    void query.fetchNextPage().then(({ error, isFetchNextPageError }) => {
      if (isFetchNextPageError) toast.failure(strings.moreFailed, error);
    });
  const none = (
    <NoReviews
      isFiltered={isMine && all.length > 0}
      onShowAll={() => void navigate({ search: {} })}
    />
  );

  return (
    <>
      <PageHeader
        title={strings.title}
        actions={
          <SegmentedControl
            size="xs"
            aria-label={strings.show}
            value={isMine ? "mine" : "all"}
            onChange={(show) => void navigate({ search: show === "mine" ? { show } : {} })}
            data={[
              { value: "all", label: strings.all },
              { value: "mine", label: strings.mine },
            ]}
          />
        }
      />
      {query.isPending && <TableSkeleton columns={2} />}
      {query.isError && all.length === 0 && (
        <ErrorState
          error={query.error}
          title={strings.failed}
          onRetry={() => void query.refetch()}
        />
      )}
      {query.data && selected === null && !query.hasNextPage && none}
      {query.data && (selected !== null || query.hasNextPage) && (
        <div className={classes.inbox} data-chosen={chosen !== null}>
          {rows.length === 0 && !query.hasNextPage ? (
            <div className={classes.list}>{none}</div>
          ) : (
            <ReviewList
              rows={rows}
              search={search}
              selected={selected}
              onMore={query.hasNextPage ? more : null}
              isLoadingMore={query.isFetchingNextPage}
            />
          )}
          {selected !== null && (
            <section className={classes.pane} aria-label={strings.selected}>
              <Button
                className={classes.back}
                variant="subtle"
                size="compact-sm"
                leftSection={<ChevronLeft size={16} aria-hidden />}
                onClick={() => open(null)}
              >
                {strings.back}
              </Button>
              <Suspense fallback={<TextSkeleton lines={8} />}>
                <ReviewPane
                  key={idOf(selected)}
                  reviewKey={selected}
                  draft={draftOf(selected)}
                  onDraft={(draft) => setDraft(selected, draft)}
                  onDecided={() => onDecided(selected, rows)}
                />
              </Suspense>
            </section>
          )}
        </div>
      )}
    </>
  );
}

function NoReviews({ isFiltered, onShowAll }: { isFiltered: boolean; onShowAll: () => void }) {
  if (!isFiltered) {
    return (
      <EmptyState title={strings.none} icon={ClipboardCheck}>
        {strings.noneText}
      </EmptyState>
    );
  }
  const showAll = (
    <Button variant="default" onClick={onShowAll}>
      {strings.showAll}
    </Button>
  );
  return (
    <EmptyState title={strings.noneMine} icon={ClipboardCheck} actions={showAll}>
      {strings.noneMineText}
    </EmptyState>
  );
}

/** Reads the reviews again when a run begins to wait, or stops. */
function useLiveReviews(isLoaded: boolean): void {
  const queryClient = useQueryClient();
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  useEventStream(isLoaded ? WAITING_RUNS : null, () => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      void queryClient.invalidateQueries({ queryKey: ["reviews"] });
    }, TOGETHER_MS);
  });
}
