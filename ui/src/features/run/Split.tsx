import { type KeyboardEvent, type PointerEvent, type ReactNode, useRef, useState } from "react";
import { readStorage, writeStorage } from "@/api/storage";
import classes from "./Split.module.css";
import { keptShare, MAX_SHARE, MIN_SHARE, shareAfter } from "./splitShare";
import { strings } from "./strings";

const STORED = "stepiq-run-split";

type Props = {
  left: ReactNode;
  /** Null: there is nothing to show beside the left side. */
  right: ReactNode;
};

/** Two sides of full height with a divider whose place this browser keeps. On narrow screens, the right one slides over. */
export function Split({ left, right }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const [share, setShare] = useState(() => keptShare(readStorage(STORED)));
  const change = (next: number) => {
    setShare(next);
    writeStorage(STORED, String(next));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const next = shareAfter(event.key, share);
    if (next === null) return;
    event.preventDefault();
    change(next);
  };
  const onPointerMove = (event: PointerEvent) => {
    if (frame.current === null || !event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const { left, width } = frame.current.getBoundingClientRect();
    change(keptShare(((event.clientX - left) / width) * 100));
  };
  return (
    <div
      ref={frame}
      className={classes.split}
      data-open={right !== null}
      style={{ "--share": `${share}%` } as React.CSSProperties}
    >
      <div className={classes.left}>{left}</div>
      {right !== null && (
        <>
          {/* biome-ignore lint/a11y/useSemanticElements: a rule that moves takes the focus */}
          <div
            role="separator"
            aria-orientation="vertical"
            aria-label={strings.divider}
            aria-valuenow={share}
            aria-valuemin={MIN_SHARE}
            aria-valuemax={MAX_SHARE}
            tabIndex={0}
            className={classes.divider}
            onKeyDown={onKeyDown}
            onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
            onPointerMove={onPointerMove}
          />
          <div className={classes.right}>{right}</div>
        </>
      )}
    </div>
  );
}
