import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { curlOf, shellWord, signatureOf } from "./programs";

const REQUEST = {
  method: "POST",
  url: "http://127.0.0.1/[secret:TOKEN]/it's?a=[1]",
  headers: {
    Authorization: "Bearer [secret:TOKEN]",
    "X-Empty": "",
    "X-StepIQ-Timestamp": "1772186404",
    "X-StepIQ-Signature": `v1=${"0a".repeat(32)}`,
  },
  body: '{"text":"it\'s [secret:TOKEN] $HOME"}',
  body_bytes: 36,
  body_sha256: "",
};

function inShell(word: string): string {
  const options = { env: { TOKEN: "t'0 k" }, encoding: "utf8" } as const;
  return execFileSync("/bin/sh", ["-c", `printf %s ${word}`], options);
}

test.each([
  ["it's", "it's"],
  ["[secret:TOKEN]", "t'0 k"],
  ["a[secret:TOKEN]b'[secret:TOKEN]", "a" + "t'0 k" + "b'" + "t'0 k"],
  ["'[secret:TOKEN]'", "'t'0 k'"],
  ["", ""],
  ['"$HOME" `id`', '"$HOME" `id`'],
])("%s is one word of a shell", (text, value) => {
  expect(inShell(shellWord(text, true))).toBe(value);
});

test("a body keeps what looks like a masked secret, because it was sent so", () => {
  expect(inShell(shellWord(REQUEST.body))).toBe(REQUEST.body);
});

test("the command has the method, all headers and the body", () => {
  const command = curlOf(REQUEST);
  expect(command).toContain("-X POST 'http://127.0.0.1/'\"$TOKEN\"'/it'\\''s?a=[1]'");
  expect(command).toContain("-H 'Authorization: Bearer '\"$TOKEN\"");
  expect(command).toContain("-H 'X-StepIQ-Timestamp: 1772186404'");
  expect(command).toContain("-H 'X-Empty;'");
});

test.each([null, "x".repeat(200_000)])(
  "a body that is unknown or long is read from a file",
  (body) => {
    expect(curlOf({ ...REQUEST, body })).toContain("--data-binary @body.json");
  },
);

test("the signature is read from the headers", () => {
  expect(signatureOf(REQUEST)).toEqual({ timestamp: "1772186404", digest: "0a".repeat(32) });
  expect(signatureOf({ headers: {} })).toBeNull();
});
