import type { Box, Layout } from "./model/shapes";

export type Size = { width: number; height: number };
export type Viewport = { x: number; y: number; zoom: number };

const MARGIN = 24;
/** With smaller boxes, a name cannot be read. */
const LEAST_START_ZOOM = 0.75;

/** The first view: all of the graph if that can be read, otherwise its top, or the step that is marked. */
export function startView(layout: Layout, size: Size, current: Box | null): Viewport {
  const wide = (size.width - 2 * MARGIN) / layout.width;
  const high = (size.height - 2 * MARGIN) / layout.height;
  const whole = Math.min(wide, high, 1);
  const zoom = whole >= LEAST_START_ZOOM ? whole : clamp(wide, LEAST_START_ZOOM, 1);
  const view = {
    x: (size.width - layout.width * zoom) / 2,
    y: Math.max(MARGIN, (size.height - layout.height * zoom) / 2),
    zoom,
  };
  if (layout.height * zoom > size.height) view.y = MARGIN;
  const first = layout.boxes[0];
  const focus = current ?? (layout.width * zoom > size.width ? (first ?? null) : null);
  return focus === null || isVisible(focus, view, size) ? view : centred(focus, size, zoom);
}

/** The view with a box in its middle. */
export function centred(box: Box, size: Size, zoom: number): Viewport {
  const { x, y } = middleOf(box);
  return { x: size.width / 2 - x * zoom, y: size.height / 2 - y * zoom, zoom };
}

/** The middle of the head of a box. */
function middleOf(box: Box): { x: number; y: number } {
  return { x: box.x + box.width / 2, y: box.y + Math.min(box.height, 96) / 2 };
}

/** Whether the middle of the head of a box is on the screen. */
export function isVisible(box: Box, { x, y, zoom }: Viewport, size: Size): boolean {
  const middle = middleOf(box);
  const [left, top] = [middle.x * zoom + x, middle.y * zoom + y];
  return left > MARGIN && left < size.width - MARGIN && top > MARGIN && top < size.height - MARGIN;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
