/** A text as one argument of a shell. */
function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The command that runs a pipeline and waits for its result. */
export function runCurl(origin: string, pipelineId: string, key: string, input: unknown): string {
  return [
    `curl -X POST '${origin}/api/pipelines/${pipelineId}/run?wait=30'`,
    `-H 'X-API-Key: ${key}'`,
    "-H 'Content-Type: application/json'",
    `-d ${shellQuoted(JSON.stringify({ input_data: input }))}`,
  ].join(" \\\n  ");
}
