import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type pg from 'pg';
import { withClient } from './one-client.ts';

/** The primary, or the database of a region. */
export type DatabaseKind = 'primary' | 'region';

/** A login that the migrations create without a password. */
export interface Login {
  name: string;
  /** Where it is used. */
  kind: DatabaseKind;
  /** Environment variable that an operator gives its password in. */
  passwordVariable: string;
  mayReplicate?: boolean;
  /** Settings that it gets with its password, unless it has its own. */
  settings: Readonly<Record<string, string>>;
  /** The same, for settings that only a superuser may give. */
  superuserSettings?: Readonly<Record<string, string>>;
  /** Whether some connections of the server stay free of it. */
  leavesConnections: boolean;
}

/**
 * How soon the primary notices that a region is unreachable: within 10 seconds, when it has sent something (tcp_user_timeout) and
 * when it has not (keepalives). Until then the slot is in use, and the region cannot connect again. A short wal_sender_timeout
 * would do the same, but also end the connections of regions that apply a large transaction.
 */
const DEAD_REGION_DETECTION = {
  tcp_user_timeout: '7s',
  tcp_keepalives_idle: '4',
  tcp_keepalives_interval: '1',
  tcp_keepalives_count: '3',
};

/**
 * Against mistakes, as a login may change its own settings: a session that a person forgets in a transaction. A pod ends those of a
 * thief (src/keys/change-feed/login-sessions.ts).
 */
const FORGOTTEN_SESSIONS = { idle_in_transaction_session_timeout: '60s' };
/** A login may not raise it. Queries of the services need no temporary files; those of a thief could fill the disk. */
const BOUNDED_FILES = { temp_file_limit: '256MB' };
/** Connections that a login leaves to the owner, to replication and to people. */
const FREE_CONNECTIONS = 10;

export const REGIONAL_LOGIN: Login = {
  name: 'iam_regional',
  kind: 'region',
  passwordVariable: 'IAM_REGIONAL_PASSWORD',
  settings: FORGOTTEN_SESSIONS,
  superuserSettings: BOUNDED_FILES,
  leavesConnections: true,
};
export const CONTROL_PLANE_LOGIN: Login = {
  name: 'iam_control_plane',
  kind: 'primary',
  passwordVariable: 'IAM_CONTROL_PLANE_PASSWORD',
  settings: FORGOTTEN_SESSIONS,
  superuserSettings: BOUNDED_FILES,
  leavesConnections: true,
};
export const REPLICATOR_LOGIN: Login = {
  name: 'iam_replicator',
  kind: 'primary',
  passwordVariable: 'IAM_REPLICATOR_PASSWORD',
  mayReplicate: true,
  settings: DEAD_REGION_DETECTION,
  leavesConnections: false,
};
export const LOGINS: readonly Login[] = [REGIONAL_LOGIN, CONTROL_PLANE_LOGIN, REPLICATOR_LOGIN];

const ITERATIONS = 4096;

/**
 * The SCRAM-SHA-256 verifier of a password (RFC 5803, as psql's \password sends it). Statements appear in logs and in
 * pg_stat_statements, so no statement contains the password.
 */
function scramVerifier(password: string, salt: Buffer): string {
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, ITERATIONS, 32, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  const serverKey = hmac('Server Key').toString('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}

/**
 * Sets the password of a login, and limits it.
 * @param databaseUrl with a user that may alter roles
 */
export async function setLoginPassword(databaseUrl: string, login: Login, password: string): Promise<void> {
  await withClient(databaseUrl, 'iam-migrate', async (client) => {
    const verifier = client.escapeLiteral(scramVerifier(password, randomBytes(16)));
    const replication = login.mayReplicate ? ' REPLICATION' : '';
    await client.query(
      `ALTER ROLE ${client.escapeIdentifier(login.name)} LOGIN${replication} PASSWORD ${verifier}`,
    );
    await limit(client, login);
  });
}

/** What the operator has set stays. */
async function limit(
  client: pg.Client,
  { name, settings, superuserSettings, leavesConnections }: Login,
): Promise<void> {
  const { rows } = await client.query<{
    own: string[];
    unlimited: boolean;
    usable: number;
    superuser: boolean;
  }>(
    `SELECT coalesce(rolconfig, '{}') AS own, rolconnlimit = -1 AS unlimited,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS usable,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser
     FROM pg_roles WHERE rolname = $1`,
    [name],
  );
  const [facts] = rows;
  if (facts === undefined) return;
  const role = client.escapeIdentifier(name);
  const wanted = { ...settings, ...(facts.superuser && superuserSettings) };
  for (const [setting, value] of Object.entries(wanted)) {
    if (facts.own.some((one) => one.startsWith(`${setting}=`))) continue;
    await client.query(`ALTER ROLE ${role} SET ${setting} = '${value}'`);
  }
  if (leavesConnections && facts.unlimited) {
    await client.query(
      `ALTER ROLE ${role} CONNECTION LIMIT ${Math.max(facts.usable - FREE_CONNECTIONS, FREE_CONNECTIONS)}`,
    );
  }
}
