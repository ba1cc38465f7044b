/** Commands that create a pipeline without a model, and run it. */
export function firstRunCurl(origin: string): string {
  return `export STEPIQ_API_KEY=sk_live_…   # an API key of your account

ID=$(curl -s -X POST ${origin}/api/pipelines -H "X-API-Key: $STEPIQ_API_KEY" \\
  -H 'Content-Type: application/json' -d '{"name": "Greeting", "steps": [
    {"id": "greet", "type": "transform", "template": "Hello {{input.name}}"}]}' | cut -d'"' -f4)

curl -X POST ${origin}/api/pipelines/$ID/run -H "X-API-Key: $STEPIQ_API_KEY" \\
  -H 'Content-Type: application/json' -d '{"input_data": {"name": "Ada"}}'`;
}
