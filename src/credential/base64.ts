/**
 * Decodes text that must be in canonical form: exact alphabet, exact padding, zero spare bits. `Buffer.from` alone skips
 * unknown characters, and two texts for one credential would make two cache keys.
 */
export function decodeCanonical(text: string, encoding: 'base64' | 'base64url'): Buffer | undefined {
  const bytes = Buffer.from(text, encoding);
  return bytes.toString(encoding) === text ? bytes : undefined;
}
