/** Texts of single sign-on. */
export const strings = {
  or: "or",
  continueWith: (provider: string) => `Continue with ${provider}`,
  providersFailed: "Other ways to sign in could not be loaded",
  retry: "Try again",
  someProvider: "The identity provider",

  identities: "Single sign-on",
  identitiesText: "Identities that can sign in to your account.",
  noIdentities: "No identity is connected to your account.",
  provider: "Provider",
  email: "Email",
  lastUsed: "Last used",
  suspended: "Suspended",
  actions: "Actions",
  connect: (provider: string) => `Connect ${provider}`,
  disconnect: "Disconnect",
  disconnectTitle: (provider: string) => `Disconnect ${provider}?`,
  disconnectText:
    "You can no longer sign in with this identity. Memberships that its groups give you end.",
  notDisconnected: "The identity was not disconnected",
} as const;

/** What the person reads when a sign-in has failed, by the code of the server. */
export const FAILURES: Record<string, (provider: string) => string> = {
  provider_unknown: () => "This server has no such identity provider.",
  provider_unreachable: (provider) =>
    `${provider} does not respond. Try again in a moment, or sign in another way.`,
  provider_misconfigured: (provider) =>
    `${provider} and this server are not set up correctly. The server's log has the reason: ask its operator.`,
  wrong_issuer: (provider) =>
    `${provider} answered in the name of another issuer, so the sign-in was refused. Ask the server's operator.`,
  denied: (provider) => `${provider} declined the sign-in, or you cancelled it.`,
  expired: () =>
    "The sign-in took too long, was already completed, or was started in another tab. Try again.",
  token_invalid: (provider) =>
    `The answer of ${provider} could not be verified, so the sign-in was refused. Try again.`,
  email_not_verified: (provider) =>
    `${provider} has not sent a verified email address. Verify your address there, then try again.`,
  domain_not_allowed: () => "Email addresses of this domain cannot sign in to this server.",
  account_disabled: () => "This account is disabled. Ask the server's operator.",
  account_exists: (provider) =>
    `An account with your email address already exists. Sign in to it as before, then connect ${provider} under Settings → Profile.`,
  no_account: () => "You have no account on this server. Ask its operator for one.",
  no_role: () =>
    "Your groups give you no role, and you are not a member of any workspace. Ask your administrator.",
  setup_required: () =>
    "This server has no account yet. Its operator must create the administrator first.",
  connected_elsewhere: () => "This identity is connected to another account.",
  sign_in_too_old: () =>
    "You signed in more than 15 minutes ago. Sign out, sign in again, then connect the identity.",
  signed_out: () => "Your session has ended. Sign in, then connect the identity again.",
  too_many_attempts: () => "Too many attempts from your address. Try again in a minute.",
  unavailable: () => "The server's database did not respond. Try again in a moment.",
};
