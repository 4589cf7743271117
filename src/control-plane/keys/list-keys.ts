import { z } from 'zod';
import { IamError } from '../../errors.ts';
import { QuarantinedKeyError } from '../../keys/key-record.ts';
import { KEY_COLUMNS, parseKeyObject } from '../../keys/key-row.ts';
import type { Queries } from '../database.ts';
import { parseInput } from '../input.ts';
import { DAY_MS, parseDuration } from './durations.ts';
import { type KeyView, keyView } from './key-view.ts';

export const MAX_KEYS_PAGE = 1_000;

/** Query of `GET /users/auth/keys`. */
export const listKeysSchema = z.object({
  status: z
    .enum(['active', 'expired', 'revoked', 'all'])
    .default('active')
    .describe('Status of the keys to list. Elastic Cloud lists only active keys.'),
  kind: z
    .enum(['external', 'internal', 'all'])
    .default('external')
    .describe(
      'Keys that people created (external), keys that services created with _grant or _convert (internal), or both.',
    ),
  expiring_within: z
    .string()
    .optional()
    .describe('Only active keys that expire within this duration from now, such as "30d".'),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(MAX_KEYS_PAGE)
    .default(MAX_KEYS_PAGE)
    .describe('Maximum number of keys per page.'),
  after: z.string().max(64).optional().describe('The "next" value of the previous page.'),
});

/** A page of keys, newest first. */
export interface KeyPage {
  keys: KeyView[];
  /** Pass as `after` to get the next page. Absent on the last page. */
  next?: string;
  /** Ids of quarantined keys: their rows do not parse. They can be revoked. */
  unreadable_keys?: string[];
}

const conditions = {
  active: 'revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)',
  expired: 'revoked_at IS NULL AND expires_at <= $2',
  revoked: 'revoked_at IS NOT NULL AND $2::timestamptz IS NOT NULL',
  all: '$2::timestamptz IS NOT NULL',
} as const;

/**
 * Lists keys, newest first. The cursor is (creation time, id), so every page costs the same, and keys created meanwhile do not
 * repeat or hide others.
 * @param query unvalidated
 */
export async function listKeys(
  database: Queries,
  organizationId: string,
  query: unknown,
  nowMs: number,
): Promise<KeyPage> {
  const { status, kind, expiring_within: within, limit, after } = parseInput(listKeysSchema, query);
  const horizonMs = within === undefined ? undefined : expiryHorizon(within, status);
  if (after !== undefined) await assertCursor(database, organizationId, after);
  const rows = await database.query<{ id: string } & Record<string, unknown>>(
    `SELECT ${KEY_COLUMNS} FROM api_keys
     WHERE organization_id = $1 AND ${conditions[status]}
       AND ($3::timestamptz IS NULL OR expires_at <= $3)
       AND ($6::boolean IS NULL OR internal = $6)
       AND ($4::text IS NULL OR (created_at, id) < (SELECT created_at, id FROM api_keys WHERE id = $4))
     ORDER BY api_keys.created_at DESC, api_keys.id DESC LIMIT $5`,
    [
      organizationId,
      new Date(nowMs),
      horizonMs === undefined ? null : new Date(nowMs + horizonMs),
      after ?? null,
      limit + 1,
      kind === 'all' ? null : kind === 'internal',
    ],
  );
  const page = rows.slice(0, limit);
  const keys: KeyView[] = [];
  const unreadable: string[] = [];
  for (const row of page) {
    try {
      keys.push(keyView(parseKeyObject(row), nowMs));
    } catch (error) {
      if (!(error instanceof QuarantinedKeyError)) throw error;
      unreadable.push(row.id);
    }
  }
  const last = page.at(-1);
  return {
    keys,
    ...(rows.length > limit && last !== undefined && { next: last.id }),
    ...(unreadable.length > 0 && { unreadable_keys: unreadable }),
  };
}

/** More than the longest life of a key that expires. A time far in the future is out of the range of Postgres. */
const MAX_HORIZON_MS = 10 * 365 * DAY_MS;

function expiryHorizon(text: string, status: string): number {
  const horizonMs = parseDuration(text);
  if (horizonMs === undefined) {
    throw new IamError('INVALID_INPUT', {
      message: 'expiring_within: must be a duration such as "30d"',
      fields: ['expiring_within'],
    });
  }
  if (status !== 'active') {
    throw new IamError('INVALID_INPUT', {
      message: 'expiring_within: works only with status=active',
      fields: ['expiring_within'],
    });
  }
  return Math.min(horizonMs, MAX_HORIZON_MS);
}

async function assertCursor(database: Queries, organizationId: string, after: string): Promise<void> {
  const found = await database.query('SELECT 1 FROM api_keys WHERE id = $1 AND organization_id = $2', [
    after,
    organizationId,
  ]);
  if (found.length > 0) return;
  throw new IamError('INVALID_INPUT', {
    message: 'after: must be the "next" value of the previous page',
    fields: ['after'],
  });
}
