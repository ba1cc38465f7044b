import { WORKSPACE_HEADER } from "./client";
import { ApiError } from "./errors";
import { currentWorkspace } from "./workspace";

/** How long the address of a file remains usable, for tabs that open it slowly. */
const LIFETIME_MS = 60_000;

/** The address in this browser of a file of the API. The browser cannot name the workspace when it opens a plain link. */
async function fileUrl(path: string): Promise<string> {
  const workspace = currentWorkspace();
  const headers: HeadersInit = workspace === null ? {} : { [WORKSPACE_HEADER]: workspace };
  const response = await fetch(path, { headers, credentials: "same-origin" }).catch(() => {
    throw ApiError.unreachable();
  });
  if (!response.ok) throw await ApiError.from(response);
  const url = URL.createObjectURL(await response.blob());
  setTimeout(() => URL.revokeObjectURL(url), LIFETIME_MS);
  return url;
}

/** Opens a file of the API in another tab. */
export async function openFile(path: string): Promise<void> {
  window.open(await fileUrl(path), "_blank", "noopener");
}

/** Saves a file of the API. */
export async function saveFile(path: string, name: string): Promise<void> {
  const link = document.createElement("a");
  link.href = await fileUrl(path);
  link.download = name;
  link.click();
}
