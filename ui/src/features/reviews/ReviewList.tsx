import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import type { Review, ReviewKey } from "@/api/reviews";
import { RelativeTime } from "@/ui/format/Values";
import { visible } from "@/ui/text/visible";
import classes from "./Reviews.module.css";
import { idOf, type ReviewsSearch, sameReview, searchFor } from "./search";
import { strings } from "./strings";

type Props = {
  rows: readonly Review[];
  search: ReviewsSearch;
  selected: ReviewKey | null;
  onMore: (() => void) | null;
  isLoadingMore: boolean;
};

/** The inbox. Each row is a link to the same page with another selection. */
export function ReviewList({ rows, search, selected, onMore, isLoadingMore }: Props) {
  const current = useRef<HTMLAnchorElement>(null);
  const currentId = selected === null ? null : idOf(selected);
  useEffect(() => {
    if (currentId !== null) current.current?.scrollIntoView({ block: "nearest" });
  }, [currentId]);
  return (
    <nav className={classes.list} aria-label={strings.list}>
      <ul className={classes.rows}>
        {rows.map((row) => {
          const isCurrent = selected !== null && sameReview(row, selected);
          return (
            <li key={idOf(row)}>
              <Link
                to="/reviews"
                search={searchFor(search, row)}
                className={classes.row}
                ref={isCurrent ? current : undefined}
                aria-current={isCurrent ? "true" : undefined}
              >
                <span className={classes.name} dir="auto">
                  {row.pipeline_name}
                </span>
                <span className={classes.since}>
                  <RelativeTime time={row.requested_at} />
                </span>
                <span className={classes.message} dir="auto">
                  {visible(firstLine(row.message))}
                </span>
                <span className={classes.meta}>
                  {row.step_id}
                  {row.iteration > 1 && `, ${strings.iteration(row.iteration)}`} ·{" "}
                  {strings.expiresIn} <RelativeTime time={row.expires_at} />
                </span>
              </Link>
            </li>
          );
        })}
      </ul>
      {onMore !== null && (
        <Button variant="default" onClick={onMore} loading={isLoadingMore} m={8}>
          {strings.more}
        </Button>
      )}
    </nav>
  );
}

/** The beginning of a message without the marks of Markdown. */
function firstLine(message: string): string {
  const line = message.split("\n").find((each) => each.trim() !== "") ?? "";
  return line.replace(/^[#>*\-\s]+/, "").replace(/[*_`]{1,2}(\S[^*_`]*)[*_`]{1,2}/g, "$1");
}
