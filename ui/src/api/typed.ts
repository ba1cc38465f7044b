/**
 * What a person has typed in this tab and not sent yet, so that it survives another page and a reload. It can contain
 * data of a workspace, so it is gone when the session ends, or when another person signs in.
 */

const PREFIX = "stepiq-typed-";
const PERSON = "stepiq-typed-by";

export function readTyped(name: string): string | null {
  try {
    return sessionStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function writeTyped(name: string, text: string | null): void {
  try {
    // Removed first: if the new text cannot be stored, the earlier one must not come back.
    sessionStorage.removeItem(PREFIX + name);
    if (text !== null) sessionStorage.setItem(PREFIX + name, text);
  } catch {
    // The text then lasts as long as the page.
  }
}

/** Forget what anyone but this person has typed. Null: nobody is signed in. */
export function keepTypedBy(userId: string | null): void {
  try {
    if (userId !== null && sessionStorage.getItem(PERSON) === userId) return;
    for (const key of Object.keys(sessionStorage)) {
      if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
    }
    if (userId !== null) sessionStorage.setItem(PERSON, userId);
  } catch {
    // Then nothing was written either.
  }
}
