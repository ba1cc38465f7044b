import { expect, test } from "vitest";
import { runsStreamUrl } from "@/api/runs";
import { chipValues, filterOf, hasFilter, readRunsSearch, searchAfter } from "./search";

const ID = "0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e";

test("several statuses are one readable text in the address", () => {
  const search = readRunsSearch({ status: "failed,running,unknown" });
  expect(search.status).toBe("running,failed");
  expect(filterOf(search).status).toEqual(["running", "failed"]);
  expect(readRunsSearch({ status: "unknown" }).status).toBeUndefined();
});

test("a version counts only with its pipeline", () => {
  expect(readRunsSearch({ version: 3 }).version).toBeUndefined();
  const search = readRunsSearch({ version: 3, pipeline: ID });
  expect(filterOf(search)).toMatchObject({ version: 3, pipeline_id: ID });
  expect(searchAfter(search, { pipeline: undefined }).version).toBeUndefined();
});

test("values that the server would refuse are left out", () => {
  const search = readRunsSearch({ after: "soon", caller: "me", trigger: "x" });
  expect(hasFilter(search)).toBe(false);
});

test("chips change the address", () => {
  const search = searchAfter(readRunsSearch({ q: "a" }), { status: ["failed"], tag: "2024" });
  expect(search).toMatchObject({ q: "a", status: "failed", tag: "2024" });
  expect(chipValues(search)).toMatchObject({ status: ["failed"], tag: "2024" });
});

test("the stream has the filter of the list", () => {
  const filter = filterOf(readRunsSearch({ status: "failed,running", q: "a b" }));
  expect(runsStreamUrl(filter)).toBe("/api/runs/stream?q=a+b&status=running&status=failed");
  expect(runsStreamUrl({})).toBe("/api/runs/stream");
});
