/** Texts of the page that confirms a login of `stepiq`. */
export const strings = {
  enterTitle: "Log in to the command line",
  enterIntro: "Enter the code that `stepiq login` shows in your terminal.",
  code: "Code",
  codeHint: "Eight letters, such as BCDF-GHJK",
  continue: "Continue",
  loading: "Looking for the login…",
  anotherCode: "Enter another code",

  title: "Allow this login?",
  compare:
    "Only continue if you started `stepiq login` yourself, and the code in your terminal is the same.",
  claims:
    "The program states its host name itself, and the address can be that of a proxy. Neither proves where it runs.",
  host: "Host name",
  noHost: "Not stated",
  client: "Address",
  started: "Started",
  person: "You",
  workspace: "Workspace",
  allows: "The program gets an API key that acts as you in this workspace. It can:",
  ends: (days: number) =>
    `The key works for ${days} days. You can revoke it in the settings, and \`stepiq logout\` revokes it too.`,
  allow: "Allow",
  deny: "Refuse",

  allowedTitle: "You are logged in",
  allowed: (workspace: string) =>
    `Return to your terminal. It uses the workspace “${workspace}”. You can close this page.`,
  deniedTitle: "The login is refused",
  denied: "The program gets no key. You can close this page.",
  decidedTitle: "This login is over",
  keys: "Show your API keys",
  failedTitle: "The login could not be opened",
  retry: "Try again",
} as const;
