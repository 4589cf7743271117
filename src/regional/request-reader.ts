import { BoundedCache } from '../lib/bounded-cache.ts';
import { type AuthenticationRequest, parseAuthenticationRequest } from './authentication-request.ts';

const MAX_ENTRIES = 10_000;
const ENTRY_BYTES = 400;
/** Of a parsed context, beside the text. */
const CONTEXT_BYTES = 250;

interface Entry {
  request: AuthenticationRequest;
  /** The first organization that sent the request. */
  organizationId: string;
}

/**
 * Parses requests and caches them by their text: a node requests the same project for many keys. Equal requests are
 * one object, which `PermissionsResolver` relies on. Only requests with a valid credential may be read, so that no other
 * caller can evict them.
 */
export class RequestReader {
  readonly #cache: BoundedCache<string, Entry>;

  /** @param maxBytes estimated size of the cache */
  constructor(maxBytes: number) {
    this.#cache = new BoundedCache({
      maxEntries: MAX_ENTRIES,
      weight: {
        max: maxBytes,
        // The text, and its strings again.
        of: ({ request: { contexts = [] } }, text) =>
          ENTRY_BYTES + 2 * text.length + CONTEXT_BYTES * contexts.length,
      },
      ownerOf: ({ organizationId }) => organizationId,
    });
  }

  /**
   * @param body one byte per character
   * @param organizationId that of the key
   * @throws {IamError} 400, see `parseAuthenticationRequest`
   */
  read(rawQuery: string, body: string | undefined, organizationId: string): AuthenticationRequest {
    // A query string contains no line feed, so the text is unambiguous.
    const text = `${rawQuery}\n${body ?? ''}`;
    const cached = this.#cache.get(text);
    if (cached !== undefined) return cached.request;
    const request = parseAuthenticationRequest(
      rawQuery,
      body === undefined ? undefined : Buffer.from(body, 'latin1'),
    );
    this.#cache.set(text, { request, organizationId });
    return request;
  }
}
