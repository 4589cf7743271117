import { randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import type pg from 'pg';
import { loadConfig } from '../config.ts';
import { readTrail } from '../control-plane/audit/audit-trail.ts';
import { recordEvent } from '../control-plane/audit/record-event.ts';
import { requestedView, storableId } from '../control-plane/audit/requested-view.ts';
import { Database } from '../control-plane/database.ts';
import { KeyLifecycle } from '../control-plane/keys/key-lifecycle.ts';
import { isKeyId } from '../control-plane/keys/key-rows.ts';
import { type LifecycleDeps, lifecycleDeps } from '../control-plane/keys/lifecycle-deps.ts';
import { listOrganizations } from '../control-plane/organizations/organizations.ts';
import type { Actor, Principal } from '../control-plane/principal.ts';
import { CustomRoles } from '../control-plane/roles/custom-roles.ts';
import { loadSet } from '../control-plane/roles/predefined-roles.ts';
import { createPool } from '../database/pool.ts';
import { assertVerified } from '../database/verified-connection.ts';
import { IamError } from '../errors.ts';
import { UsageError } from './command-failure.ts';
import type { DatabaseTarget } from './operations.ts';

/** The primary, connected for one command. */
export interface OpenPrimary {
  deps: LifecycleDeps;
  pool: pg.Pool;
}

/** @throws {ConfigError} if PRIMARY_DATABASE_URL is unset @throws {UnverifiedConnectionError} */
export function openPrimary(environment: NodeJS.ProcessEnv = process.env): OpenPrimary {
  const config = loadConfig(environment, ['PRIMARY_DATABASE_URL']);
  const url = config.PRIMARY_DATABASE_URL as string;
  assertVerified(url, 'PRIMARY_DATABASE_URL');
  const pool = createPool(url, {
    applicationName: 'iam-cli',
    size: 1,
    connectTimeoutMs: Math.max(config.DATABASE_CONNECT_TIMEOUT_MS, 5_000),
    queryTimeoutMs: Math.max(config.DATABASE_QUERY_TIMEOUT_MS, 5_000),
    transactionPooling: config.DATABASE_TRANSACTION_POOLING,
    onIdleError: () => {},
  });
  const database = new Database(pool);
  return {
    pool,
    deps: lifecycleDeps(config, database, { now: Date.now, nowForExpiry: Date.now, randomBytes }),
  };
}

/** The operator: the operating system's user. */
export function operator(): Actor {
  try {
    return { type: 'cli', id: userInfo().username };
  } catch {
    return { type: 'cli', id: `uid-${process.getuid?.() ?? 'unknown'}` }; // containers may run users without a name
  }
}

/** @param organization id from the command line; if unset, it follows from the key, or there is only one */
export function databaseTarget({ deps }: OpenPrimary, organization?: string): DatabaseTarget {
  let organizationId = organization;
  const principalIn = async (find: () => Promise<string>) => {
    organizationId ??= await find();
    return principalOf(organizationId);
  };
  return {
    keys: new KeyLifecycle(deps),
    roles: new CustomRoles(deps),
    loadPredefined: (set, options) => loadSet(deps.database, operator(), set, { ...options, now: Date.now }),
    audit: (organizationId, query) => readTrail(deps.database.of(organizationId), organizationId, query),
    inOrganization: () => principalIn(() => onlyOrganization(deps.database)),
    inOrganizationOf: (keyId) => principalIn(() => organizationOfKey(deps.database, keyId)),
    recordRefusal: async (attempt, error) =>
      recordEvent(deps.database, {
        organizationId: organizationId ?? null,
        actor: operator(),
        outcome: 'failure',
        reason: error.cloud.code,
        ...attempt,
        targetId: attempt.targetId && storableId(attempt.targetId),
        requested: requestedView(attempt.requested),
      }),
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
      message: 'No organization exists. Create the first one with "iam bootstrap".',
    });
  }
  if (others.length === 0) return first.id;
  const ids = organizations.slice(0, 10).map(({ id }) => id);
  throw new UsageError(`There are several organizations. Choose one with --organization: ${ids.join(', ')}`);
}

async function organizationOfKey(database: Database, id: string): Promise<string> {
  const [row] = isKeyId(id)
    ? await database.query<{ organization_id: string }>(
        'SELECT organization_id FROM api_keys WHERE id = $1',
        [id],
      )
    : [];
  if (row === undefined)
    throw new IamError('KEY_NOT_FOUND', { message: 'The database has no such API key.' });
  return row.organization_id;
}
