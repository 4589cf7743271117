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
}

export const REGIONAL_LOGIN: Login = {
  name: 'iam_regional',
  kind: 'region',
  passwordVariable: 'IAM_REGIONAL_PASSWORD',
};
export const CONTROL_PLANE_LOGIN: Login = {
  name: 'iam_control_plane',
  kind: 'primary',
  passwordVariable: 'IAM_CONTROL_PLANE_PASSWORD',
};
export const REPLICATOR_LOGIN: Login = {
  name: 'iam_replicator',
  kind: 'primary',
  passwordVariable: 'IAM_REPLICATOR_PASSWORD',
  mayReplicate: true,
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
 * How soon the primary notices that a region is unreachable: within 10 seconds, when it has sent something (tcp_user_timeout) and
 * when it has not (keepalives). Until then the slot is in use, and the region cannot connect again. A short wal_sender_timeout
 * would do the same, but also end the connections of regions that apply a large transaction.
 */
const DEAD_REGION_DETECTION: Readonly<Record<string, string>> = {
  tcp_user_timeout: '7s',
  tcp_keepalives_idle: '4',
  tcp_keepalives_interval: '1',
  tcp_keepalives_count: '3',
};

/**
 * Sets the password of a login. The login of the regions also gets settings that detect a dead connection, unless it has its own.
 * @param databaseUrl with a user that may alter roles
 */
export async function setLoginPassword(databaseUrl: string, login: Login, password: string): Promise<void> {
  await withClient(databaseUrl, 'iam-migrate', async (client) => {
    const verifier = client.escapeLiteral(scramVerifier(password, randomBytes(16)));
    const replication = login.mayReplicate ? ' REPLICATION' : '';
    await client.query(
      `ALTER ROLE ${client.escapeIdentifier(login.name)} LOGIN${replication} PASSWORD ${verifier}`,
    );
    if (login.mayReplicate) await detectDeadRegions(client, login.name);
  });
}

async function detectDeadRegions(client: pg.Client, login: string): Promise<void> {
  const { rows } = await client.query<{ setting: string }>(
    'SELECT unnest(rolconfig) AS setting FROM pg_roles WHERE rolname = $1',
    [login],
  );
  for (const [name, value] of Object.entries(DEAD_REGION_DETECTION)) {
    if (rows.some(({ setting }) => setting.startsWith(`${name}=`))) continue;
    await client.query(`ALTER ROLE ${client.escapeIdentifier(login)} SET ${name} = '${value}'`);
  }
}
