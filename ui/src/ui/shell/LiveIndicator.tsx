import { Tooltip } from "@mantine/core";
import { Radio, RefreshCw, TriangleAlert } from "lucide-react";
import { useLiveState } from "@/api/live/liveState";
import classes from "./LiveIndicator.module.css";

const LOOKS = {
  live: { label: "Live", note: "Changes appear as they happen.", icon: Radio },
  connecting: { label: "Connecting", note: "The page connects to the server.", icon: RefreshCw },
  reconnecting: {
    label: "Reconnecting",
    note: "The connection was lost. The page continues where it stopped when the server responds.",
    icon: RefreshCw,
  },
  failed: {
    label: "Not live",
    note: "The page shows no changes. Reload it to try again.",
    icon: TriangleAlert,
  },
} as const;

/** Whether the page shows changes as they happen. Hidden on pages that follow nothing. */
export function LiveIndicator() {
  const state = useLiveState();
  const look = state === null || state === "ended" ? null : LOOKS[state];
  return (
    <div role="status" aria-label="Connection" className={classes.indicator} data-state={state}>
      {look && (
        <Tooltip label={look.note} multiline maw={280}>
          <span className={classes.content}>
            <look.icon size={14} aria-hidden />
            <span className={classes.label}>{look.label}</span>
          </span>
        </Tooltip>
      )}
    </div>
  );
}
