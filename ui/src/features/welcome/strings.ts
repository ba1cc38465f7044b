/** Texts of the page for a new account, and of the bar above its first run. */
export const strings = {
  title: "Welcome to stepIQ",
  description:
    "A pipeline is a list of steps: model calls, HTTP requests, code and reviews. Run one to see how it works.",
  firstTitle: "Run an example",
  model:
    "It runs on the default model of this server. Without the key of a provider, that is a small model on this machine, which costs nothing. Its first run takes longer if the server has to download it.",
  definition: "Definition",
  input: "Input",
  run: "Run the example",
  otherExamples: "See all examples",
  runFailed: "The example was not started",
  nextTitle: "Next",
  next: "Next:",
  write: "Write your own",
  writeText: "Start from an empty definition. The editor checks it while you type.",
  import: "Import YAML",
  importText: "Open a definition that you already have in a file.",
  call: "Call it from your code",
  callText: "Start runs over HTTP with an API key.",
  createKey: "Create a key and show the call",
  keyName: "First key",
  keyFailed: "The key was not created",
  keyShown:
    "This is the only time that the key is shown. Copy it now. You can revoke it in the settings.",
  curl: "Run the example with curl",
  skip: "Skip",
  close: "Hide these suggestions",
} as const;
