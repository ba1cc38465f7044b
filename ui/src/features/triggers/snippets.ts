export const TRIGGERS = ["api", "webhook", "schedule"] as const;
export const LANGUAGES = ["curl", "python", "javascript"] as const;
export type Trigger = (typeof TRIGGERS)[number];
export type Language = (typeof LANGUAGES)[number];

type Call = { origin: string; pipelineId: string; input: Record<string, unknown> };
type Request = { url: string; body: unknown };

const EVERY_WORKING_DAY = "0 9 * * 1-5";

function requestOf(trigger: Trigger, { origin, pipelineId, input }: Call): Request {
  switch (trigger) {
    case "api":
      return { url: `${origin}/api/pipelines/${pipelineId}/run`, body: { input_data: input } };
    case "webhook":
      return { url: `${origin}/api/webhooks/${pipelineId}`, body: { input_data: input } };
    case "schedule": {
      const times = { cron_expression: EVERY_WORKING_DAY, timezone: "Europe/Berlin" };
      const body = { name: "Working days", ...times, input_data: input };
      return { url: `${origin}/api/pipelines/${pipelineId}/schedules`, body };
    }
  }
}

/** A program that sends the request of a trigger. The key is read from the environment. */
export function snippet(trigger: Trigger, language: Language, call: Call): string {
  const { url, body } = requestOf(trigger, call);
  switch (language) {
    case "curl":
      return curl(url, body);
    case "python":
      return python(url, body, trigger);
    case "javascript":
      return javascript(url, body, trigger);
  }
}

function curl(url: string, body: unknown): string {
  const quoted = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
  return `curl -X POST "${url}" \\
  -H "X-API-Key: $STEPIQ_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '${quoted}'`;
}

/** The member of the answer with an id. */
function idMember(trigger: Trigger): string {
  return trigger === "webhook" ? "run_id" : "id";
}

function python(url: string, body: unknown, trigger: Trigger): string {
  return `import os
import requests

response = requests.post(
    "${url}",
    headers={"X-API-Key": os.environ["STEPIQ_API_KEY"]},
    json=${pythonLiteral(body, 1)},
    timeout=30,
)
response.raise_for_status()
print(response.json()["${idMember(trigger)}"])`;
}

const INDENT = "    ";

/** A value as an expression of Python. Its texts are those of JSON, whose escapes Python has as well. */
export function pythonLiteral(value: unknown, depth = 0): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const isArray = Array.isArray(value);
  const members = isArray
    ? value.map((each) => pythonLiteral(each, depth + 1))
    : Object.entries(value).map(
        ([name, each]) => `${JSON.stringify(name)}: ${pythonLiteral(each, depth + 1)}`,
      );
  const [open, close] = isArray ? ["[", "]"] : ["{", "}"];
  if (members.length === 0) return open + close;
  const lines = members.map((member) => `${INDENT.repeat(depth + 1)}${member},\n`).join("");
  return `${open}\n${lines}${INDENT.repeat(depth)}${close}`;
}

function javascript(url: string, body: unknown, trigger: Trigger): string {
  const json = JSON.stringify(body, null, 2).replaceAll("\n", "\n  ");
  return `const response = await fetch("${url}", {
  method: "POST",
  headers: {
    "X-API-Key": process.env.STEPIQ_API_KEY,
    "Content-Type": "application/json",
  },
  body: JSON.stringify(${json}),
});
if (!response.ok) throw new Error(await response.text());
const answer = await response.json();
console.log(answer.${idMember(trigger)});`;
}
