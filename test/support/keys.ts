import { randomBytes, randomUUID } from 'node:crypto';
import type pg from 'pg';
import { type Credential, encodeCredential, generateCredential } from '../../src/credential/format.ts';
import { hashSecret } from '../../src/credential/hash.ts';

/** The cheapest parameters that argon2 accepts, because tests hash a lot. */
export const TEST_HASH_PARAMETERS = { memoryKiB: 8, timeCost: 1, parallelism: 1 };

/** A stored key with its credential. */
export interface IssuedKey {
  id: string;
  organizationId: string;
  secret: string;
  credential: string;
  authorization: string;
}

export interface KeyFields {
  organizationId?: string;
  roleAssignments?: unknown;
  internal?: boolean;
  createdAt?: Date;
  expiresAt?: Date | null;
  revokedAt?: Date | null;
  secretHash?: string;
  createdBy?: string;
}

/** Assignments of these application roles in one project. */
export function projectRoles(projectType: string, projectId: string, applicationRoles: string[]) {
  return {
    project: {
      [projectType]: [
        {
          role_id: `${projectType}-viewer`,
          all: false,
          project_ids: [projectId],
          application_roles: applicationRoles,
        },
      ],
    },
  };
}

/** A new credential, without a stored key. As in the control plane, no id begins with "-": a command would take it for an option. */
export function newCredential(): Credential {
  const credential = generateCredential(randomBytes);
  return credential.id.startsWith('-') ? newCredential() : credential;
}

/** The `Authorization` header with a credential. */
export function authorizationOf(credential: Credential): string {
  return `ApiKey ${encodeCredential('essu_dev', credential)}`;
}

/** Inserts a key into the primary, without the control plane. */
export async function insertKey(primary: pg.Pool, fields: KeyFields = {}): Promise<IssuedKey> {
  const credential = newCredential();
  const organizationId = fields.organizationId ?? `org-${randomUUID()}`;
  await primary.query('INSERT INTO organizations (id, name) VALUES ($1, $1) ON CONFLICT DO NOTHING', [
    organizationId,
  ]);
  await primary.query(
    `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, internal, created_by, expires_at, revoked_at, created_at, version)
     VALUES ($1, $2, 'test', $3, $4, $5, $6, $7, $8, $9, 0)`,
    [
      credential.id,
      organizationId,
      fields.secretHash ?? (await hashSecret(credential.secret, TEST_HASH_PARAMETERS)),
      JSON.stringify(fields.roleAssignments ?? {}),
      fields.internal ?? false,
      fields.createdBy ?? 'user-1',
      fields.expiresAt ?? null,
      fields.revokedAt ?? null,
      fields.createdAt ?? new Date(),
    ],
  );
  const encoded = encodeCredential('essu_dev', credential);
  return {
    id: credential.id,
    organizationId,
    secret: credential.secret,
    credential: encoded,
    authorization: `ApiKey ${encoded}`,
  };
}

/** Revokes a key on the primary, without the control plane. */
export async function revokeKey(primary: pg.Pool, id: string): Promise<void> {
  await primary.query(
    `UPDATE api_keys SET revoked_at = clock_timestamp(), revoked_by = 'test' WHERE id = $1`,
    [id],
  );
}

/** Gives a key a new secret on the primary, without the control plane and without a grace period. @returns its new header */
export async function rotateKey(
  primary: pg.Pool,
  id: string,
): Promise<{ id: string; authorization: string }> {
  const credential = { ...newCredential(), id };
  await primary.query('UPDATE api_keys SET secret_hash = $2 WHERE id = $1', [
    id,
    await hashSecret(credential.secret, TEST_HASH_PARAMETERS),
  ]);
  return { id, authorization: authorizationOf(credential) };
}
