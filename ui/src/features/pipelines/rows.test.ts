import { expect, test } from "vitest";
import type { DraftSummary } from "@/api/drafts";
import type { ListedPipeline } from "@/api/pipelines";
import { listRows } from "./rows";

const pipeline = (id: string) => ({ id }) as ListedPipeline;
const draft = (pipeline_id: string, name: string | null, is_new: boolean) =>
  ({ pipeline_id, name, is_new }) as DraftSummary;

const PIPELINES = [pipeline("a"), pipeline("b")];
const DRAFTS = [draft("n", "Invoice", true), draft("b", "B", false), draft("m", null, true)];

test("drafts of new pipelines come first, others mark their pipeline", () => {
  const rows = listRows(PIPELINES, DRAFTS, {});

  expect(rows.map(({ kind, id }) => `${kind} ${id}`)).toEqual([
    "draft n",
    "draft m",
    "pipeline a",
    "pipeline b",
  ]);
  expect(rows.at(-1)).toMatchObject({ hasDraft: true });
});

test("a search applies to the names of drafts", () => {
  expect(listRows([], DRAFTS, { q: "INV" }).map(({ id }) => id)).toEqual(["n"]);
});

test("a tag, and paused or archived pipelines leave drafts out", () => {
  expect(listRows([], DRAFTS, { tag: "x" })).toEqual([]);
  expect(listRows([], DRAFTS, { status: "paused" })).toEqual([]);
  expect(listRows([], DRAFTS, { status: "archived" })).toEqual([]);
});
