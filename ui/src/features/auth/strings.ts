/** Texts of the pages for visitors. */
export const strings = {
  signIn: "Sign in",
  createAccount: "Create account",
  email: "Email",
  password: "Password",
  newPassword: "New password",
  name: "Name",
  nameHint: "Optional. Others in your workspace see it.",
  passwordHint: "At least 8 characters.",
  setupToken: "Setup token",
  setupHint: "This server has no account yet. `stepiq setup-token` on the server shows the token.",
  setupIntro: "You create the administrator of this server.",
  forgot: "Forgot password?",
  noAccount: "No account yet?",
  hasAccount: "Already have an account?",
  forgotTitle: "Reset your password",
  forgotIntro:
    "Enter the address of your account. You will get an email with a link to set a new password.",
  forgotSend: "Send the link",
  forgotDone:
    "If an account has this address, an email is on its way. Its link works once, for one hour.",
  backToSignIn: "Back to sign in",
  resetTitle: "Set a new password",
  resetSave: "Set password",
  resetIncomplete:
    "This link is incomplete. Open the complete link from the email, or request a new one.",
  resetDone: "Your new password is set. All sessions have ended, so sign in again.",
  verifyTitle: "Verify your email address",
  verify: "Verify",
  verifyIncomplete: "This link is incomplete. Open the complete link from the email.",
  continue: "Continue",
} as const;
