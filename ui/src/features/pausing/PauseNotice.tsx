import { Pause as PauseIcon } from "lucide-react";
import type { Pause } from "@/api/pipelines";
import { RelativeTime } from "@/ui/format/Values";
import classes from "./Pausing.module.css";
import { strings } from "./strings";

/** Above the pages of a paused pipeline: since when, by whom and why. */
export default function PauseNotice({ pause: { at, by, reason } }: { pause: Pause }) {
  return (
    <div role="note" className={classes.notice}>
      <PauseIcon size={16} aria-hidden />
      <div>
        {strings.pausedBy(by.name)} <RelativeTime time={at} />. {strings.noNewRuns}
        {reason !== null && (
          <p className={classes.reason}>
            {strings.reason}: {reason}
          </p>
        )}
      </div>
    </div>
  );
}
