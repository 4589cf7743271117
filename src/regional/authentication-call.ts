import { hash } from 'node:crypto';
import type { PresentedCredential } from '../keys/key-authenticator.ts';

/** One call to `_authenticate`, as it came over the wire. */
export interface AuthenticationCall extends PresentedCredential {
  /** Query string as it was sent, without the question mark. */
  rawQuery: string;
  /** Raw body, one byte a character; `undefined` when there is none. */
  body: string | undefined;
}

/**
 * Names everything that decides an answer, in one SHA-256. No part but the last, the body, can hold a line feed, so no
 * two calls share a name.
 */
export function callDigest({ authorization, client, rawQuery, body }: AuthenticationCall): string {
  const certificate = client.certificate ? 'certificate' : '';
  const secret = client.secret === undefined ? '' : `=${client.secret}`;
  const text = `${certificate}\n${secret}\n${authorization ?? ''}\n${rawQuery}\n${body ?? ''}`;
  return hash('sha256', text, 'binary');
}
