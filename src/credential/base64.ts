/**
 * Decodes text that must be exactly what Node would write for the bytes: right alphabet, right padding, zero
 * spare bits. `Buffer.from` skips what it does not know, and two texts for one credential would make two cache keys.
 */
export function decodeCanonical(text: string, encoding: 'base64' | 'base64url'): Buffer | undefined {
  const bytes = Buffer.from(text, encoding);
  return bytes.toString(encoding) === text ? bytes : undefined;
}
