import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { loadConfig } from '../../src/config.ts';
import { type ControlPlane, startControlPlane } from '../../src/control-plane/start.ts';
import { createLogger } from '../../src/http/logger.ts';
import type { TestDatabases } from './databases.ts';
import { type IssuedKey, insertKey } from './keys.ts';
import { controlPlaneUrl, createPrimary, type TestPrimary } from './primary.ts';
import type { ApiResponse } from './regional.ts';

/** Client secret that trusted services send. */
export const CLIENT_SECRET = 'test-client-secret';

/** A primary whose owner closes it. */
type GivenPrimary = Omit<TestPrimary, 'close'>;

/** A control plane on free ports. */
export interface TestControlPlane extends ControlPlane {
  primary: GivenPrimary;
  logLines: string[];
}

/** Environment of a control plane on free ports. */
export const controlPlaneSettings = (primaryUrl: string): Record<string, string> => ({
  PRIMARY_DATABASE_URL: primaryUrl,
  CONTROL_PLANE_PORT: '0',
  MANAGEMENT_PORT: '0',
  CREDENTIAL_PREFIX: 'essu_dev',
  CLIENT_AUTHENTICATION_SECRETS: CLIENT_SECRET,
  ARGON2_MEMORY_KIB: '8',
  RATE_LIMIT_PER_MINUTE: '1000000',
  DATABASE_QUERY_TIMEOUT_MS: '5000',
  DATABASE_CONNECT_TIMEOUT_MS: '5000',
});

/** As `startTestControlPlane`, on the primary of a pair of databases. */
export async function startControlPlaneOf(
  databases: Pick<TestDatabases, 'primary' | 'primaryUrl'>,
  settings: Record<string, string> = {},
): Promise<TestControlPlane> {
  return startTestControlPlane(settings, {
    pool: databases.primary,
    url: databases.primaryUrl,
    controlPlaneUrl: await controlPlaneUrl(databases.primaryUrl),
  });
}

/**
 * @param settings override the test defaults
 * @param given the primary; by default one of its own, which it closes
 */
export async function startTestControlPlane(
  settings: Record<string, string> = {},
  given?: GivenPrimary,
): Promise<TestControlPlane> {
  const own = given === undefined ? await createPrimary() : undefined;
  const primary = own ?? (given as GivenPrimary);
  const logLines: string[] = [];
  const logger = createLogger(
    { level: 'debug', serviceName: 'iam-control-plane' },
    { write: (line) => void logLines.push(line) },
  );
  const environment = { ...controlPlaneSettings(primary.controlPlaneUrl), ...settings };
  const controlPlane = await startControlPlane(loadConfig(environment), logger, environment);
  return {
    ...controlPlane,
    primary,
    logLines,
    close: async () => {
      await controlPlane.close();
      await own?.close();
    },
  };
}

export const OWNER_ASSIGNMENTS = { organization: [{ role_id: 'organization-admin' }] };

/** Creates an organization with one owner key. */
export async function newOrganization(pool: pg.Pool, keyQuota = 500): Promise<IssuedKey> {
  const organizationId = `org-${randomUUID()}`;
  await pool.query('INSERT INTO organizations (id, name, key_quota) VALUES ($1, $1, $2)', [
    organizationId,
    keyQuota,
  ]);
  return insertKey(pool, { organizationId, roleAssignments: OWNER_ASSIGNMENTS });
}

/** Calls the control plane over real HTTP. */
export async function callApi(
  controlPlane: { url: string },
  method: string,
  path: string,
  authorization: string | undefined,
  options: { body?: unknown; rawBody?: string | Buffer; headers?: Record<string, string> } = {},
): Promise<ApiResponse> {
  const body = options.rawBody ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
  const response = await fetch(`${controlPlane.url}${path}`, {
    method,
    headers: {
      ...(method === 'GET' ? {} : { 'content-type': 'application/json' }),
      ...(authorization === undefined ? {} : { authorization }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : JSON.parse(text),
  };
}

export interface AuditRow {
  actor_type: string;
  actor_id: string;
  action: string;
  outcome: string;
  target_id: string | null;
  reason: string | null;
  count: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests read single fields
  before: any;
  // biome-ignore lint/suspicious/noExplicitAny: tests read single fields
  after: any;
  // biome-ignore lint/suspicious/noExplicitAny: tests read single fields
  requested: any;
}

/** Returns the audit events of an organization, oldest first. */
export async function auditOf(pool: pg.Pool, organizationId: string): Promise<AuditRow[]> {
  const { rows } = await pool.query('SELECT * FROM audit_events WHERE organization_id = $1 ORDER BY id', [
    organizationId,
  ]);
  return rows;
}
