/** Texts of the settings. */
export const strings = {
  sections: "Settings",
  profile: "Profile",
  workspace: "Workspace",
  members: "Members",
  keys: "API keys",
  secrets: "Secrets",
  models: "Models",
  notifications: "Notifications",
  audit: "Audit log",

  keysDescription: "Programs send a key in the header X-API-Key.",
  personalKeys: "Your keys",
  personalKeyText:
    "A personal key acts as you: it can do what both its scopes and your role allow, and ends when you leave the workspace.",
  serviceKeys: "Service keys",
  serviceKeyText:
    "A service key belongs to the workspace and not to a person. It can do what its scopes allow, and stays when its creator leaves.",
  createServiceKey: "Create service key",
  noServiceKeys: "No service keys.",
  createdBy: "Created by",
  formerMember: "former member",
  createKey: "Create key",
  noKeys: "No personal keys",
  noKeysText: "A program needs a key to start runs and to read their results.",
  keyName: "Name",
  keyNameHint: "Where the key is used, such as the name of a program.",
  scopes: "Scopes",
  expires: "Expires",
  never: "Never",
  keyOnce: "Copy the key now. It is not shown again.",
  roll: "Roll",
  rollText:
    "Creates a new key with the same name and scopes. The old key works until the time below is over.",
  rollOverlap: "The old key works for",
  revoke: "Revoke",
  revokeText: "Requests with this key fail from now on. This cannot be undone.",
  done: "Done",

  secretsDescription:
    "Pipelines read a secret as {{env.NAME}}. Its value is encrypted and never shown.",
  setSecret: "Set secret",
  noSecrets: "No secrets",
  noSecretsText:
    "Store keys of providers and other services here, so that they are not in a pipeline.",
  secretName: "Name",
  secretNameHint:
    "Capital letters, digits and underscores, such as CRM_TOKEN. A stored secret with this name gets the new value.",
  secretValue: "Value",
  secretHosts: "Hosts",
  secretHostsHint: (isNamed: boolean) =>
    `One host a line. The secret is sent only to these hosts, such as api.example.com or *.example.com. Empty: ${isNamed ? "any host" : "as before, or any host for a new secret"}.`,
  anyHost: "any host",
  missing: "Missing secrets",
  missingText: "Pipelines use these names, but no secret has them. Their runs fail.",
  deleteSecret: "Delete",
  deleteTitle: (name: string) => `Delete the secret “${name}”?`,
  deleteText: (count: number) =>
    count === 0
      ? "No pipeline uses it. The value cannot be restored."
      : `${count === 1 ? "A pipeline uses" : `${count} pipelines use`} it. Their next runs fail. The value cannot be restored.`,
  deleted: (name: string) => `The secret “${name}” is deleted.`,
  notDeleted: "The secret was not deleted",
  notUsed: "not used",

  notificationsDescription:
    "Addresses outside this workspace that its pipelines send emails to. Each must confirm once.",
  recipients: "Recipients",
  recipient: "Address",
  recipientStatus: "Status",
  recipientAsked: "Asked",
  recipientUntil: "Can confirm until",
  recipientStatuses: {
    confirmed: "Confirmed",
    asked: "Asked",
    not_asked: "Not asked yet",
    expired: "No answer",
    refused: "Refused",
  },
  moreRecipients: "Show more",
  noRecipients: "No recipients outside this workspace",
  noRecipientsText:
    "Members get emails without confirmation. If a pipeline sends emails to another address, and the server asks such addresses to confirm, the address is listed here. To get an email when a run fails, add this to a pipeline:",
  notificationExampleLabel: "Email for failed runs",
  notificationExample: `notifications:
  on_failure:
    - {type: email, to: oncall@example.com}`,

  modelsDescription: "The models that steps can use, with their prices per million tokens.",
  providers: "Providers",
  usable: "Usable",
  notUsable: "Not usable",
  tryPrompt: "Try a prompt",
  prompt: "Prompt",
  run: "Run",
  noModel: "No model matches",
  noModelText: "Change the search text.",
  search: "Search models",
  unknown: "–",

  changePassword: "Change password",
  currentPassword: "Current password",
  newPassword: "New password",
  newPasswordHint: "At least 8 characters. All other sessions end.",
  passwordChanged: "The password is changed. All other sessions have ended.",
  sessions: "Sessions",
  sessionsText: "A session is a browser or a program in which you are signed in.",
  thisSession: "This browser",
  endSession: "End",
  sessionNotEnded: "The session was not ended",
  device: "Device",
  unknownDevice: "Unknown device",
  address: "Address",
  signedIn: "Signed in",
  lastUsed: "Last used",
  endOthers: "End all other sessions",
  endOthersTitle: "End all other sessions?",
  endOthersText: "You stay signed in here. Everywhere else, you must sign in again.",
  endOthersAction: "End sessions",
  othersEnded: (count: number) =>
    count === 1 ? "One session is ended." : `${count} sessions are ended.`,
  othersNotEnded: "The sessions were not ended",
  email: "Email",
  name: "Name",
  plan: "Plan",
  memberSince: "Account created",
  administrator: "Administrator",
} as const;

/** What a key with a scope can do. */
export const SCOPE_TEXTS = {
  "pipelines:read": "Read pipelines, runs and their outputs",
  "pipelines:write": "Create and change pipelines, schedules and secrets",
  "pipelines:execute": "Start, cancel and retry runs; decide reviews",
  "webhooks:trigger": "Start runs through webhooks only",
  "account:read": "Read usage and the account",
  "secrets:write": "Store and delete secrets, without changing pipelines",
} as const;

/** The credential that a provider is used with. */
export const SOURCE_TEXTS: Record<string, string> = {
  account_key: "With a key of your account",
  server_key: "With the key of the server",
  local: "On this server, without a key",
};
