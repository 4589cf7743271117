import { BoundedCache } from '../lib/bounded-cache.ts';
import { type AuthenticationRequest, parseAuthenticationRequest } from './authentication-request.ts';

const MAX_ENTRIES = 10_000;
const MAX_CHARACTERS = 16_777_216;

/**
 * Reads requests and remembers them by their text: a node asks for the same project again and again, for one key after
 * the other. Equal requests are one object.
 */
export class RequestReader {
  readonly #known = new BoundedCache<string, AuthenticationRequest>({
    maxEntries: MAX_ENTRIES,
    weight: { max: MAX_CHARACTERS, of: (_request, text) => text.length },
  });

  /** @param body one byte a character @throws {IamError} 400, see `parseAuthenticationRequest` */
  read(rawQuery: string, body: string | undefined): AuthenticationRequest {
    // A query string holds no line feed.
    const text = `${rawQuery}\n${body ?? ''}`;
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const request = parseAuthenticationRequest(
      rawQuery,
      body === undefined ? undefined : Buffer.from(body, 'latin1'),
    );
    this.#known.set(text, request);
    return request;
  }
}
