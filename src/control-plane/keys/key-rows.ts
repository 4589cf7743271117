import type { KeyRecord } from '../../keys/key-record.ts';
import {
  insertKeyStatement,
  KEY_COLUMNS,
  type NewKeyRecord,
  parseKeyObject,
  updateKeyStatement,
} from '../../keys/key-row.ts';
import type { Queries } from '../database.ts';
import { OWNER } from '../organizations/assignment-scope.ts';
import type { KeyStatus } from './key-view.ts';

type Row = { id: string } & Record<string, unknown>;

const ACTIVE = 'revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)';

export async function insertKey(on: Queries, key: NewKeyRecord): Promise<KeyRecord> {
  const { text, values } = insertKeyStatement(key);
  const [row] = await on.query<Row>(text, values);
  return parseKeyObject(row as Row);
}

/** Other texts need no query, and Postgres may be unable to store them. */
export function isKeyId(text: string): boolean {
  return /^[A-Za-z0-9_-]{1,64}$/.test(text);
}

export async function selectKey(
  on: Queries,
  organizationId: string,
  id: string,
): Promise<KeyRecord | undefined> {
  if (!isKeyId(id)) return undefined;
  const [row] = await on.query<Row>(
    `SELECT ${KEY_COLUMNS} FROM api_keys WHERE organization_id = $1 AND id = $2`,
    [organizationId, id],
  );
  return row === undefined ? undefined : parseKeyObject(row);
}

/** The columns that a revocation needs. Reading them works for quarantined keys too, so those can be revoked. */
export interface RevocableKey {
  id: string;
  status: KeyStatus;
  activeOwner: boolean;
}

export async function selectRevocable(
  on: Queries,
  organizationId: string,
  ids: readonly string[],
  nowMs: number,
): Promise<RevocableKey[]> {
  return on.query<RevocableKey>(
    `SELECT id,
       CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= $2 THEN 'expired' ELSE 'active' END AS status,
       ${ACTIVE} AND NOT internal AND ${OWNER} AS "activeOwner"
     FROM api_keys WHERE organization_id = $1 AND id = ANY($3)`,
    [organizationId, new Date(nowMs), ids.filter(isKeyId)],
  );
}

/** Counts the active external owner keys except the given ones. */
export async function countOtherOwners(
  on: Queries,
  organizationId: string,
  ids: readonly string[],
  nowMs: number,
): Promise<number> {
  const [row] = await on.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM api_keys
     WHERE organization_id = $1 AND ${ACTIVE} AND NOT internal AND ${OWNER} AND NOT id = ANY($3)`,
    [organizationId, new Date(nowMs), ids.filter(isKeyId)],
  );
  return row?.count ?? 0;
}

export async function markRevoked(on: Queries, id: string, by: string, nowMs: number): Promise<void> {
  await on.query(
    'UPDATE api_keys SET revoked_at = $2, revoked_by = $3 WHERE id = $1 AND revoked_at IS NULL',
    [id, new Date(nowMs), by],
  );
}

/** The secrets and the expiration after a rotation. */
export interface NewSecret {
  secretHash: string;
  secretTag: number;
  previousSecretHash: string | null;
  previousSecretTag: number | null;
  previousSecretExpiresAtMs: number | null;
  expiresAtMs: number | null;
}

export async function replaceSecret(on: Queries, id: string, secret: NewSecret): Promise<KeyRecord> {
  const { text, values } = updateKeyStatement(id, secret);
  const [row] = await on.query<Row>(text, values);
  return parseKeyObject(row as Row);
}
