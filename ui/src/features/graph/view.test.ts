import { describe, expect, it } from "vitest";
import { layoutPipeline } from "./model/layout";
import { stepsOf } from "./model/steps";
import { isVisible, startView } from "./view";

const SIZE = { width: 400, height: 600 };

function column(count: number) {
  const steps = Array.from({ length: count }, (_, index) => ({ id: `s${index}` }));
  return layoutPipeline(stepsOf({ steps }) ?? [], false);
}

describe("startView", () => {
  it("shows a small graph whole, in the middle", () => {
    const layout = column(2);
    const view = startView(layout, SIZE, null);

    expect(view.zoom).toBe(1);
    expect(view.x).toBe((SIZE.width - layout.width) / 2);
    expect(layout.boxes.every((box) => isVisible(box, view, SIZE))).toBe(true);
  });

  it("shows the top of a large graph, readable", () => {
    const layout = column(100);
    const view = startView(layout, SIZE, null);

    expect(view.zoom).toBeGreaterThanOrEqual(0.75);
    expect(isVisible(layout.boxes[0] as never, view, SIZE)).toBe(true);
  });

  it("shows the step that is marked", () => {
    const layout = column(100);
    const box = layout.boxes[80] ?? null;
    const view = startView(layout, SIZE, box);

    expect(isVisible(box as never, view, SIZE)).toBe(true);
  });
});
