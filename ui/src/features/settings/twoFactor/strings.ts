/** Texts of two-factor sign-in in the settings. */
export const strings = {
  title: "Two-factor sign-in",
  offText:
    "It is off. When it is on, signing in also needs a code from an app on your phone, so a stolen password is not enough.",
  on: "Turned on",
  codesLeft: (count: number) =>
    count === 0
      ? "No recovery code is left. Create new ones: without them and without the app, only an administrator can let you in."
      : `${count} recovery ${count === 1 ? "code is" : "codes are"} left.`,
  turnOn: "Turn on",
  turnOff: "Turn off",
  newCodes: "New recovery codes",
  passwordText: "You signed in a while ago. Enter your password to continue.",
  password: "Password",
  continue: "Continue",
  cancel: "Cancel",
  scanText:
    "Scan this with an authenticator app, such as Aegis, 1Password or Google Authenticator. Then enter the code that the app shows.",
  qrCode: "QR code for authenticator apps",
  cannotScan: "If you cannot scan it, enter this key:",
  code: "Code",
  codeHint: "The six digits that the app shows.",
  codeOrRecovery: "Code",
  codeOrRecoveryHint: "The code that the app shows, or a recovery code.",
  codesTitle: "Recovery codes",
  codesText:
    "If you lose the app, sign in with one of these codes. Each works once. Store them in a safe place now: they are not shown again.",
  codes: "Recovery codes",
  download: "Download",
  fileName: "stepiq-recovery-codes.txt",
  file: (host: string, email: string, codes: readonly string[]) =>
    `Recovery codes of ${email} at ${host}\nEach works once, instead of a code from the app.\n\n${codes.join("\n")}\n`,
  stored: "I have stored the codes",
  turnOffTitle: "Turn off two-factor sign-in?",
  turnOffText: "Your password alone is then enough to sign in. The recovery codes stop working.",
  turnedOff: "Two-factor sign-in is off.",
  newCodesTitle: "Create new recovery codes?",
  newCodesText: "The codes that you have now stop working.",
  notBegun: "Two-factor sign-in was not turned on",
} as const;
