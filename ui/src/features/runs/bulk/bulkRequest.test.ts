import { expect, test } from "vitest";
import type { Run } from "@/api/runs";
import { affected, bulkRequest, countOf } from "./bulkRequest";

const runs = [
  { id: "a", status: "running" },
  { id: "b", status: "failed" },
  { id: "c", status: "waiting" },
] as Run[];
const rows = { kind: "rows", runs } as const;

test("only runs that have not ended are cancelled, and only ended ones are retried", () => {
  expect(countOf(affected(rows, "cancel"))).toBe(2);
  expect(countOf(affected(rows, "retry"))).toBe(1);
});

test("a request names the rows", () => {
  const options = { name: " Again ", from: "failed", version: "latest" } as const;
  expect(bulkRequest(affected(rows, "retry"), "retry", options)).toEqual({
    action: "retry",
    name: "Again",
    run_ids: ["b"],
    from: "failed",
    version: "latest",
  });
});

test("all that match are sent as the filter of the list, and a cancellation has no options of retries", () => {
  const target = { kind: "filter", filter: { q: "x", status: ["running" as const] } } as const;
  const filter = { ...target, filter: { ...target.filter, status: [...target.filter.status] } };
  const request = bulkRequest(filter, "cancel", { name: "", from: "failed", version: "latest" });
  expect(request).toEqual({
    action: "cancel",
    name: null,
    filter: { q: "x", status: ["running"], with_failures: false },
    from: "start",
    version: "same",
  });
  expect(countOf(filter)).toBeNull();
});
