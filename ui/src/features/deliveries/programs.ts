import type { AttemptRequest } from "@/api/deliveries";
import type { Language } from "./search";

/** A longer argument does not fit on the command line of Linux. */
const MAX_ARGUMENT = 100_000;
const MASKED = /\[secret:([A-Za-z_][A-Za-z0-9_]*)\]/g;

/** A text as one word of a shell. Masked secrets become variables with their names. */
export function shellWord(text: string, hasSecrets = false): string {
  const quoted = `'${text.replaceAll("'", "'\\''")}'`;
  if (!hasSecrets) return quoted;
  return quoted.replace(MASKED, `'"$$$1"'`).replaceAll("''\"", '"').replace(/"''$/, '"');
}

/** A command that sends the same request again, with the same signature. */
export function curlOf(request: AttemptRequest): string {
  const { body } = request;
  const lines = [`curl --globoff -X ${request.method} ${shellWord(request.url, true)}`];
  for (const [name, value] of Object.entries(request.headers)) {
    // Without a value, "Name:" would remove the header.
    const line = value === "" ? `${name};` : `${name}: ${value}`;
    lines.push(`  -H ${shellWord(line, true)}`);
  }
  // curl would otherwise announce long bodies first, and wait for an answer.
  lines.push("  -H 'Expect:'");
  const isShort = body !== null && body.length <= MAX_ARGUMENT;
  lines.push(isShort ? `  --data-raw ${shellWord(body)}` : "  --data-binary @body.json");
  return lines.join(" \\\n");
}

type Signature = { timestamp: string; digest: string };

/** What the headers say about the signature; null without one. */
export function signatureOf({ headers }: Pick<AttemptRequest, "headers">): Signature | null {
  const timestamp = headers["X-StepIQ-Timestamp"];
  const [, digest] = /^v1=([0-9a-f]{64})$/.exec(headers["X-StepIQ-Signature"] ?? "") ?? [];
  return timestamp === undefined || digest === undefined ? null : { timestamp, digest };
}

/** A program that verifies the signature of a request whose body is in body.json. */
export function verifier(language: Language, { timestamp, digest }: Signature): string {
  switch (language) {
    case "shell":
      return `{ printf '%s.' ${timestamp}; cat body.json; } \\
  | openssl dgst -sha256 -hmac "$SIGNING_SECRET" \\
  | grep -q '${digest}$' && echo valid || echo 'not valid'`;
    case "python":
      return `import hashlib
import hmac
import os
from pathlib import Path

signature = "${digest}"
signed = b"${timestamp}." + Path("body.json").read_bytes()
secret = os.environ["SIGNING_SECRET"].encode()
expected = hmac.new(secret, signed, hashlib.sha256).hexdigest()
print("valid" if hmac.compare_digest(expected, signature) else "not valid")`;
    case "javascript":
      return `const crypto = require("node:crypto");
const fs = require("node:fs");

const signature = "${digest}";
const hmac = crypto.createHmac("sha256", process.env.SIGNING_SECRET);
hmac.update("${timestamp}.").update(fs.readFileSync("body.json"));
const expected = hmac.digest();
const isValid = crypto.timingSafeEqual(expected, Buffer.from(signature, "hex"));
console.log(isValid ? "valid" : "not valid");`;
  }
}
