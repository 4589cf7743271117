import { createHash } from 'node:crypto';
import { IamError } from '../../errors.ts';
import type { Queries } from '../database.ts';
import type { Principal } from '../principal.ts';
import { openSealedResponse, sealResponse } from './sealed-response.ts';

/** How long a repeated request is answered from the first one. */
const KEPT_MS = 24 * 3_600_000;

/** What marks a request as a possible repetition. */
export interface RetryGuard {
  /** Value of `Idempotency-Key`. */
  key: string;
  /** The secret that was presented with the request: what the answer is sealed under. */
  secret: string;
  /** Names the call and its input; a repetition has the same. */
  request: unknown;
}

interface Row {
  request_digest: string;
  salt: Buffer;
  sealed_answer: Buffer;
}

/**
 * Makes something at most once per idempotency key: the first call makes it and keeps its answer in the same
 * transaction, a repetition by the same credential gets that answer again, also when the first one was lost.
 *
 * The caller holds the lock of the organization, so two calls at once cannot both be the first.
 * @throws {IamError} when the key came with another request, or the answer was sealed under another secret
 */
export async function once<Answer>(
  transaction: Queries,
  principal: Principal,
  guard: RetryGuard | undefined,
  nowMs: number,
  make: () => Promise<Answer>,
): Promise<{ answer: Answer; replayed: boolean }> {
  if (guard === undefined || principal.keyId === undefined) return { answer: await make(), replayed: false };
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
    return { answer: JSON.parse(text) as Answer, replayed: true };
  }

  const answer = await make();
  const { salt, sealed } = sealResponse(JSON.stringify(answer), guard.secret, context);
  await transaction.query('DELETE FROM idempotent_answers WHERE expires_at <= $1', [new Date(nowMs)]);
  await transaction.query(
    `INSERT INTO idempotent_answers (actor_id, idempotency_digest, request_digest, salt, sealed_answer, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6)`,
    [principal.keyId, keyDigest, requestDigest, salt, sealed, new Date(nowMs + KEPT_MS)],
  );
  return { answer, replayed: false };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
