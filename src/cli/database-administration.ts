import { randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import type pg from 'pg';
import { loadConfig } from '../config.ts';
import { Database } from '../control-plane/database.ts';
import { KeyLifecycle } from '../control-plane/keys/key-lifecycle.ts';
import { isKeyId } from '../control-plane/keys/key-rows.ts';
import { type LifecycleDeps, lifecycleDeps } from '../control-plane/keys/lifecycle-deps.ts';
import { listOrganizations } from '../control-plane/organizations/organizations.ts';
import type { Actor, Principal } from '../control-plane/principal.ts';
import { CustomRoles } from '../control-plane/roles/custom-roles.ts';
import { createPool } from '../database/pool.ts';
import { IamError } from '../errors.ts';
import type { Administration } from './administration.ts';
import { UsageError } from './command-failure.ts';

/** The primary, opened for one command. */
export interface OpenPrimary {
  deps: LifecycleDeps;
  pool: pg.Pool;
}

/** @throws {ConfigError} when PRIMARY_DATABASE_URL is missing */
export function openPrimary(environment: NodeJS.ProcessEnv = process.env): OpenPrimary {
  const config = loadConfig(environment, ['PRIMARY_DATABASE_URL']);
  const pool = createPool(config.PRIMARY_DATABASE_URL as string, {
    applicationName: 'iam-cli',
    size: 1,
    connectTimeoutMs: Math.max(config.DATABASE_CONNECT_TIMEOUT_MS, 5_000),
    queryTimeoutMs: Math.max(config.DATABASE_QUERY_TIMEOUT_MS, 5_000),
    onIdleError: () => {},
  });
  const database = new Database(pool);
  return { pool, deps: lifecycleDeps(config, database, { now: Date.now, randomBytes }) };
}

/** Who runs the command: the name that the operating system has for the user. */
export function operator(): Actor {
  try {
    return { type: 'cli', id: userInfo().username };
  } catch {
    return { type: 'cli', id: `uid-${process.getuid?.() ?? 'unknown'}` }; // no such user in this container
  }
}

/**
 * The commands at the database itself: for operators, and for the first key of all.
 * @param organization id from the command line; left out, it follows from the key or there is only one
 */
export function databaseAdministration(primary: OpenPrimary, organization?: string): Administration {
  const { deps, pool } = primary;
  const keys = new KeyLifecycle(deps);
  const roles = new CustomRoles(deps);

  const inOrganization = async (): Promise<Principal> =>
    principalOf(organization ?? (await onlyOrganization(deps.database)));
  const ofKey = async (id: string): Promise<Principal> =>
    principalOf(organization ?? (await organizationOfKey(deps.database, id)));

  return {
    createKey: async ({ body, internal }) =>
      (await keys.create(await inOrganization(), body, { internal })).key,
    listKeys: async (query) => keys.list((await inOrganization()).organizationId, query),
    showKey: async (id) => keys.show((await ofKey(id)).organizationId, id, true),
    revokeKeys: async (ids, force) => keys.revokeMany(await ofKey(ids[0] ?? ''), { keys: ids }, { force }),
    rotateKey: async (id, body, force) => (await keys.rotate(await ofKey(id), id, body, { force })).key,
    putRole: async (project, name, descriptor) =>
      roles.put(await inOrganization(), project, name, descriptor),
    listRoles: async (project) => roles.list((await inOrganization()).organizationId, project),
    deleteRole: async (project, name) => roles.remove(await inOrganization(), project, name),
    close: () => pool.end(),
  };
}

function principalOf(organizationId: string): Principal {
  const actor = operator();
  return { actor, organizationId, userId: actor.id };
}

async function onlyOrganization(database: Database): Promise<string> {
  const organizations = await listOrganizations(database);
  const [first, ...others] = organizations;
  if (first === undefined) {
    throw new IamError('ORGANIZATION_NOT_FOUND', {
      message: 'There is no organization yet: make the first one with "iam bootstrap".',
    });
  }
  if (others.length === 0) return first.id;
  const ids = organizations.slice(0, 10).map(({ id }) => id);
  throw new UsageError(`There are several organizations; say which with --organization: ${ids.join(', ')}`);
}

async function organizationOfKey(database: Database, id: string): Promise<string> {
  const [row] = isKeyId(id)
    ? await database.query<{ organization_id: string }>(
        'SELECT organization_id FROM api_keys WHERE id = $1',
        [id],
      )
    : [];
  if (row === undefined) throw new IamError('KEY_NOT_FOUND', { message: 'There is no such API key.' });
  return row.organization_id;
}
