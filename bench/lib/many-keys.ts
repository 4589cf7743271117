import { createHash } from 'node:crypto';
import { encodeCredential } from '../../src/credential/format.ts';
import { type HashParameters, hashSecret } from '../../src/credential/hash.ts';
import { CHEAP_HASH, credentialAt, PREFIX } from './keys.ts';
import { project, viewerRow } from './one-project.ts';
import type { RegionDatabase } from './region-database.ts';

const { secret } = credentialAt('shared', 0);

/** Fills the table with keys that share one secret. The database generates them: a million in seconds. */
export async function fillWithManyKeys(
  database: RegionDatabase,
  count: number,
  parameters: HashParameters = CHEAP_HASH,
): Promise<void> {
  const secretHash = await hashSecret(secret, parameters);
  const { roleAssignments } = viewerRow({ id: '', secretHash });
  await database.fill((client) =>
    client.query(
      `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, version)
       SELECT rtrim(translate(encode(decode(md5('key ' || n), 'hex'), 'base64'), '+/', '-_'), '='),
              $1, 'ingest of the web shop, production', $2, $3, 'user-bench', n
       FROM generate_series(1, $4::int) AS n`,
      [project.organizationId, secretHash, JSON.stringify(roleAssignments), count],
    ),
  );
}

/** The id of the n-th generated key, starting at 1. */
export function manyKeyId(n: number): string {
  return createHash('md5').update(`key ${n}`).digest('base64url');
}

/** The `Authorization` header of the n-th generated key. */
export function manyKeyAuthorization(n: number): string {
  return `ApiKey ${encodeCredential(PREFIX, { id: manyKeyId(n), secret, layout: 'v1' })}`;
}
