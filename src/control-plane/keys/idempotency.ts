import { createHash } from 'node:crypto';
import { IamError } from '../../errors.ts';
import type { Queries } from '../database.ts';
import type { Principal } from '../principal.ts';
import { openSealedResponse, sealResponse } from './sealed-response.ts';

const RESPONSE_TTL_MS = 24 * 3_600_000;

/** Identifies a request that a client may repeat. */
export interface RetryGuard {
  /** Value of `Idempotency-Key`. */
  key: string;
  /** The secret of the request's credential; it seals the stored response. */
  secret: string;
  /** The call and its input. A repetition has the same. */
  request: unknown;
}

interface Row {
  request_digest: string;
  salt: Buffer;
  sealed_answer: Buffer;
}

/**
 * Runs `work` at most once per idempotency key. The first request stores its response in the same transaction. A repetition
 * with the same credential gets the stored response, even if the client never received the first one.
 *
 * The caller holds the lock of the organization, so two concurrent requests cannot both be the first.
 * @throws {IamError} when the idempotency key was used with a different request, or another secret sealed the response
 */
export async function runIdempotent<Response>(
  transaction: Queries,
  principal: Principal,
  guard: RetryGuard | undefined,
  nowMs: number,
  work: () => Promise<Response>,
): Promise<{ response: Response; replayed: boolean }> {
  if (guard === undefined || principal.keyId === undefined)
    return { response: await work(), replayed: false };
  const keyDigest = sha256(guard.key);
  const requestDigest = sha256(JSON.stringify(guard.request));
  const context = `${principal.keyId}\n${keyDigest}\n${requestDigest}`;

  const [stored] = await transaction.query<Row>(
    `SELECT request_digest, salt, sealed_answer FROM idempotent_answers
     WHERE actor_id = $1 AND idempotency_digest = $2 AND expires_at > $3`,
    [principal.keyId, keyDigest, new Date(nowMs)],
  );
  if (stored !== undefined) {
    if (stored.request_digest !== requestDigest) throw new IamError('IDEMPOTENCY_MISMATCH');
    const text = openSealedResponse(
      { salt: stored.salt, sealed: stored.sealed_answer },
      guard.secret,
      context,
    );
    if (text === undefined) throw new IamError('IDEMPOTENCY_UNREADABLE');
    return { response: JSON.parse(text) as Response, replayed: true };
  }

  const response = await work();
  const { salt, sealed } = sealResponse(JSON.stringify(response), guard.secret, context);
  await transaction.query('DELETE FROM idempotent_answers WHERE expires_at <= $1', [new Date(nowMs)]);
  await transaction.query(
    `INSERT INTO idempotent_answers (actor_id, idempotency_digest, request_digest, salt, sealed_answer, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6)`,
    [principal.keyId, keyDigest, requestDigest, salt, sealed, new Date(nowMs + RESPONSE_TTL_MS)],
  );
  return { response, replayed: false };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
