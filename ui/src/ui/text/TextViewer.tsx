import { useElementSize, useMergedRef } from "@mantine/hooks";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useLayoutEffect, useMemo, useRef, useState } from "react";
import { formatBytes, formatNumber } from "../format/numbers";
import { CopyButton } from "./CopyButton";
import classes from "./TextViewer.module.css";
import { visible } from "./visible";
import { WrappedText } from "./wrappedText";

const ROW_HEIGHT = 20;
const MAX_HEIGHT = 480;
const MIN_COLUMNS = 20;
const PROBE = "0".repeat(100);

type Props = {
  text: string;
  /** Accessible name: "Answer". */
  label: string;
  maxHeight?: number;
};

/** A long text, also one long line, of which only the rows on the screen are mounted. */
export function TextViewer({ text, label, maxHeight }: Props) {
  const { ref: sizeRef, width } = useElementSize<HTMLDivElement>();
  const scroller = useRef<HTMLDivElement>(null);
  const probe = useRef<HTMLSpanElement>(null);
  const ref = useMergedRef(sizeRef, scroller);
  const [columns, setColumns] = useState(80);
  const wrapped = useMemo(() => new WrappedText(text, columns), [text, columns]);
  const digits = String(wrapped.lineCount).length;

  useLayoutEffect(() => {
    const character = (probe.current?.getBoundingClientRect().width ?? 0) / PROBE.length;
    if (character === 0 || width === 0) return;
    const room = Math.floor(width / character) - digits - 4;
    setColumns(Math.max(MIN_COLUMNS, room));
  }, [width, digits]);

  const virtualizer = useVirtualizer({
    count: wrapped.rowCount,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 20,
    initialRect: { width: 0, height: maxHeight ?? MAX_HEIGHT },
  });
  return (
    <div className={classes.frame}>
      <div className={classes.bar}>
        <span>
          {formatNumber(wrapped.lineCount)} {wrapped.lineCount === 1 ? "line" : "lines"},{" "}
          {formatBytes(text.length)}
        </span>
        <CopyButton value={text} what={label} />
      </div>
      <span ref={probe} className={classes.probe} aria-hidden>
        {PROBE}
      </span>
      <section
        ref={ref}
        aria-label={label}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
        tabIndex={0}
        className={classes.scroller}
        style={{ maxHeight }}
      >
        <div style={{ height: virtualizer.getTotalSize(), position: "relative" }}>
          {virtualizer.getVirtualItems().map(({ index, start }) => {
            const row = wrapped.row(index);
            return (
              <div
                key={index}
                className={classes.row}
                style={{ transform: `translateY(${start}px)` }}
              >
                <span className={classes.number} style={{ width: `${digits + 1}ch` }} aria-hidden>
                  {row.line}
                </span>
                <span dir="auto">{visible(row.text)}</span>
              </div>
            );
          })}
        </div>
      </section>
    </div>
  );
}
