// @vitest-environment happy-dom
import { act, renderHook } from "@testing-library/react";
import { expect, test } from "vitest";
import type { Run, RunFilter } from "@/api/runs";
import { useRunSelection } from "./useRunSelection";

const ROWS = [{ id: "1" }, { id: "2" }] as Run[];

function select(filter: RunFilter) {
  return renderHook((shown: RunFilter) => useRunSelection(ROWS, shown, true), {
    initialProps: filter,
  });
}

test("another filter selects no run", () => {
  const { result, rerender } = select({ status: ["failed"] });
  act(() => result.current.selection.onChange(new Set(["1", "2"])));
  act(() => result.current.selectAll?.());
  expect(result.current.target).toEqual({ kind: "filter", filter: { status: ["failed"] } });

  rerender({});

  expect(result.current.target).toBeNull();
});

test("the same filter keeps the selection", () => {
  const { result, rerender } = select({ status: ["failed"] });
  act(() => result.current.selection.onChange(new Set(["1"])));

  rerender({ status: ["failed"] });

  expect(result.current.target).toEqual({ kind: "rows", runs: [{ id: "1" }] });
});
