import { hash } from 'node:crypto';
import type { RoleScope } from './role-store.ts';

/** Bucket of a key, as the function `key_bucket` of the database computes it. */
export function keyBucket(id: string): number {
  return low(id) & 1_023;
}

/** Bucket of the roles of a scope, as the function `role_bucket` of the database computes it. */
export function roleBucket({ organizationId, projectType, projectId }: RoleScope): number {
  return low(quoted(organizationId) + quoted(projectType) + quoted(projectId)) & 63;
}

/** The low 16 of the 64 bits of `hash64`. */
function low(text: string): number {
  return Number.parseInt(hash('md5', text).slice(12, 16), 16);
}

/** As `quote_literal` of Postgres. */
function quoted(text: string): string {
  const literal = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
  return text.includes('\\') ? `E${literal}` : literal;
}
