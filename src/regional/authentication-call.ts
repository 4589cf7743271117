import { hash } from 'node:crypto';
import type { PresentedCredential } from '../keys/key-authenticator.ts';

/** Path of the call that Elasticsearch makes. */
export const AUTHENTICATE_PATH = '/uiam/api/v1/authentication/_authenticate';

/** One call to `_authenticate`, as received. */
export interface AuthenticationCall extends PresentedCredential {
  /** Raw query string without the question mark. */
  rawQuery: string;
  /** Raw body, one byte per character; `undefined` when there is none. */
  body: string | undefined;
}

/**
 * Cache key of the response: a SHA-256 over everything that decides it. Only the last field, the body, can contain a
 * line feed, so two different calls never have the same text.
 */
export function callDigest({ authorization, client, rawQuery, body }: AuthenticationCall): string {
  const certificate = client.certificate ? 'certificate' : '';
  const secret = client.secret === undefined ? '' : `=${client.secret}`;
  const text = `${certificate}\n${secret}\n${authorization ?? ''}\n${rawQuery}\n${body ?? ''}`;
  return hash('sha256', text, 'binary');
}
