import { expect, test } from "vitest";
import { runCurl } from "./runCurl";

test("an apostrophe in the input does not end the argument", () => {
  const command = runCurl("https://host", "0192", "sk_live_x", { text: "it's" });
  expect(command).toContain("'https://host/api/pipelines/0192/run?wait=30'");
  expect(command).toContain(`-d '{"input_data":{"text":"it'\\''s"}}'`);
});
