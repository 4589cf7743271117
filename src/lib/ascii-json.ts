/**
 * JSON in ASCII: one character is one byte, in memory and on the wire. Other characters, which JSON has only inside strings,
 * become `\uXXXX` (RFC 8259, section 7).
 */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
