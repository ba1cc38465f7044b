/** The nonce of this page for styles that code creates, such as those of Mantine and CodeMirror. */
export function cspNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";
}
