import { Badge } from "@mantine/core";
import { Pause } from "lucide-react";
import classes from "./PipelineBadge.module.css";
import { strings } from "./strings";

/** The status of a pipeline that starts no runs. */
export function PipelineBadge({ status }: { status: "paused" | "archived" }) {
  return status === "paused" ? (
    <span className={classes.paused}>
      <Pause size={12} aria-hidden />
      {strings.paused}
    </span>
  ) : (
    <Badge variant="outline" tt="none" color="gray">
      {strings.archived}
    </Badge>
  );
}
