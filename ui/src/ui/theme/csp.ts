import { setNonce } from "get-nonce";

/** The nonce of this page for styles that code creates, such as those of Mantine and CodeMirror. */
export function cspNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";
}

/** Give the nonce to the library with which dialogs of Mantine stop the page from scrolling. */
export function registerNonce(): void {
  setNonce(cspNonce());
}
