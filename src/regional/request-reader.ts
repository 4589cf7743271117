import { BoundedCache } from '../lib/bounded-cache.ts';
import { type AuthenticationRequest, parseAuthenticationRequest } from './authentication-request.ts';

const MAX_ENTRIES = 10_000;
const ENTRY_BYTES = 400;
/** Of a parsed context, beside the text. */
const CONTEXT_BYTES = 250;

/**
 * Parses requests and caches them by their text: a node requests the same project for many keys. Equal requests are
 * one object, which `PermissionsResolver` relies on.
 */
export class RequestReader {
  readonly #cache: BoundedCache<string, AuthenticationRequest>;

  /** @param maxBytes estimated size of the cache */
  constructor(maxBytes: number) {
    this.#cache = new BoundedCache({
      maxEntries: MAX_ENTRIES,
      weight: {
        max: maxBytes,
        // The text, and its strings again.
        of: ({ contexts = [] }, text) => ENTRY_BYTES + 2 * text.length + CONTEXT_BYTES * contexts.length,
      },
    });
  }

  /** @param body one byte per character @throws {IamError} 400, see `parseAuthenticationRequest` */
  read(rawQuery: string, body: string | undefined): AuthenticationRequest {
    // A query string contains no line feed, so the text is unambiguous.
    const text = `${rawQuery}\n${body ?? ''}`;
    const cached = this.#cache.get(text);
    if (cached !== undefined) return cached;
    const request = parseAuthenticationRequest(
      rawQuery,
      body === undefined ? undefined : Buffer.from(body, 'latin1'),
    );
    this.#cache.set(text, request);
    return request;
  }
}
