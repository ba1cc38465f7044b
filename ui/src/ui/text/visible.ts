/** Control characters, and those that change the direction of a text: `a[U+202E]txt.exe` then looks like `aexe.txt`. */
const HIDDEN = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;
const LAYOUT = "\t\n\r";
const FIRST_PICTURE = 0x2400;
const DELETE = 0x7f;

/** An untrusted text whose hidden characters can be seen and do nothing. Texts to copy keep the characters. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (character) => {
    if (LAYOUT.includes(character)) return character;
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(FIRST_PICTURE + code);
    if (code === DELETE) return "␡";
    return `[U+${code.toString(16).toUpperCase().padStart(4, "0")}]`;
  });
}
