/** How long the address of a file remains usable, for tabs that open it slowly. */
const LIFETIME_MS = 60_000;

function urlOf(blob: Blob): string {
  const url = URL.createObjectURL(blob);
  setTimeout(() => URL.revokeObjectURL(url), LIFETIME_MS);
  return url;
}

/** Opens a file in another tab. */
export function openBlob(blob: Blob): void {
  window.open(urlOf(blob), "_blank", "noopener");
}

/** Saves a file in the folder of downloads. */
export function saveBlob(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = urlOf(blob);
  link.download = name;
  link.click();
}
