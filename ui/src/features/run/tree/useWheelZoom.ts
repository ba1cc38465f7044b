import { type RefObject, useEffect, useRef } from "react";
import { panned, type View, zoomed } from "../model/timeScale";

/** Ctrl and the wheel zoom around the pointer; a horizontal wheel moves the shown part. */
export function useWheelZoom(
  element: RefObject<HTMLElement | null>,
  view: View,
  setView: (view: View) => void,
): void {
  const latest = useRef(view);
  latest.current = view;
  useEffect(() => {
    const target = element.current;
    if (target === null) return;
    const onWheel = (event: WheelEvent) => {
      const lane = target.querySelector("[data-lane]")?.getBoundingClientRect();
      if (lane === undefined || lane.width === 0) return;
      const isZoom = event.ctrlKey || event.metaKey;
      const sideways = event.shiftKey ? event.deltaY : event.deltaX;
      if (!isZoom && (sideways === 0 || latest.current.to - latest.current.from === 1)) return;
      event.preventDefault();
      const around = Math.min(1, Math.max(0, (event.clientX - lane.left) / lane.width));
      latest.current = isZoom
        ? zoomed(latest.current, around, Math.exp(event.deltaY * 0.002))
        : panned(latest.current, sideways / lane.width);
      setView(latest.current);
    };
    // A passive listener cannot keep the browser from zooming the page.
    target.addEventListener("wheel", onWheel, { passive: false });
    return () => target.removeEventListener("wheel", onWheel);
  }, [element, setView]);
}
