import { expect, it } from "vitest";
import { comparedVersions, readVersionsSearch } from "./search";

it("compares the newest version with the one before it", () => {
  expect(comparedVersions({}, [7, 5, 1])).toEqual({ before: 5, after: 7 });
  expect(comparedVersions({ after: 5 }, [7, 5, 1])).toEqual({ before: 1, after: 5 });
  expect(comparedVersions({ before: 1 }, [7, 5, 1])).toEqual({ before: 1, after: 7 });
  expect(comparedVersions({}, [1])).toBeNull();
});

it("ignores parameters that are not versions", () => {
  expect(readVersionsSearch({ before: "2", after: "x" })).toEqual({ before: 2, after: undefined });
});
