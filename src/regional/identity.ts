import { policies } from '../keys/cache/policies.ts';
import type { KeyRecord } from '../keys/key-record.ts';
import { BoundedCache } from '../lib/bounded-cache.ts';
import { ascii } from './response-body.ts';

/**
 * The second part of an answer, whose key it is, in pieces: what is the same for all keys of a user is kept once, the
 * id stands in the key's record, and only the rest is an answer's own.
 */
export interface Identity {
  user: string;
  rest: string;
}

const AFTER_ID = '","type":"api-key","creation":"';

/** Puts the answer together. @param id of a key whose credential was read, and so safe in JSON as it is */
export function joinResponse(permissions: string, user: string, id: string, rest: string): string {
  return permissions + user + id + AFTER_ID + rest;
}

/** Writes identities, with the pieces of users in common. */
export class IdentityWriter {
  readonly #users = new BoundedCache<string, string>(policies.sharedTexts);

  write(record: KeyRecord): Identity {
    const expiration = record.expiresAtMs === null ? 'null' : `"${rfc3339(record.expiresAtMs)}"`;
    return {
      user: this.#user(record.createdBy),
      rest: flat(
        `${rfc3339(record.createdAtMs)}","expiration":${expiration},"internal":${record.internal}}}`,
      ),
    };
  }

  #user(createdBy: string): string {
    const kept = this.#users.get(createdBy);
    if (kept !== undefined) return kept;
    const user = flat(ascii(`"user_id":${JSON.stringify(createdBy)},"credentials":{"id":"`));
    this.#users.set(createdBy, user);
    return user;
  }
}

function rfc3339(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

/** A string in one piece: one that was put together keeps its pieces in memory, too. */
function flat(ascii: string): string {
  return Buffer.from(ascii, 'latin1').toString('latin1');
}
