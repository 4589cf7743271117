const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Each begins a list, an object or a further element. */
const [COMMA, LIST, OBJECT] = [0x2c, 0x5b, 0x7b];

/**
 * Whether JSON text has more lists, objects and further elements than `max`, and so more values or deeper ones. Takes linear time and
 * no memory, and returns early. The text need not be valid.
 */
export function hasMoreValues(text: Uint8Array, max: number): boolean {
  let values = 0;
  for (let at = 0; at < text.length; at += 1) {
    const byte = text[at];
    if (byte === QUOTE) at = endOfString(text, at);
    else if (byte === COMMA || byte === LIST || byte === OBJECT) {
      values += 1;
      if (values > max) return true;
    }
  }
  return false;
}

/** The index of the closing quote, or the end of the text. */
function endOfString(text: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== QUOTE) at += text[at] === BACKSLASH ? 2 : 1;
  return at;
}
