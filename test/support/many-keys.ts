import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { hashSecret } from '../../src/credential/hash.ts';
import { authorizationOf, newCredential, TEST_HASH_PARAMETERS } from './keys.ts';

/** Inserts keys of one new organization into the primary, in one statement, and returns their headers. */
export async function insertKeys(
  primary: pg.Pool,
  count: number,
): Promise<{ id: string; authorization: string }[]> {
  const organizationId = `org-${randomUUID()}`;
  await primary.query('INSERT INTO organizations (id, name) VALUES ($1, $1)', [organizationId]);
  const credentials = Array.from({ length: count }, newCredential);
  const hashes = await Promise.all(credentials.map(({ secret }) => hashSecret(secret, TEST_HASH_PARAMETERS)));
  await primary.query(
    `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, version)
     SELECT id, $1, 'test', hash, '{}', 'user-1', 0 FROM unnest($2::text[], $3::text[]) AS given (id, hash)`,
    [organizationId, credentials.map(({ id }) => id), hashes],
  );
  return credentials.map((credential) => ({ id: credential.id, authorization: authorizationOf(credential) }));
}
