import { useQuery } from "@tanstack/react-query";
import { reviewCountQuery } from "@/api/reviewCount";
import classes from "./Rail.module.css";

/** The number of reviews that wait, beside the link to them. */
export function ReviewCount() {
  const { data: count } = useQuery(reviewCountQuery);
  if (!count) return null;
  return (
    <span className={classes.count}>
      {count}
      <span className="visually-hidden"> waiting</span>
    </span>
  );
}
