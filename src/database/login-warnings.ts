import pg from 'pg';
import type { Problem } from './findings.ts';

/** What the logins of the service can do beside their work. */
export interface LoginFacts {
  database: string;
  /** Whether every login may create temporary tables, and the migration cannot change it. */
  leaves_temporary: boolean;
  /** Whether every login may take advisory locks, and the migration cannot change it. */
  leaves_advisory_locks: boolean;
  /** The names of the settings that each login has of its own. */
  login_settings: readonly { login: string; name: string }[];
}

/** Settings that docs/install.md and docs/operations.md give to logins. */
const EXPECTED = new Set([
  'statement_timeout',
  'idle_in_transaction_session_timeout',
  'temp_file_limit',
  'tcp_user_timeout',
  'tcp_keepalives_idle',
  'tcp_keepalives_interval',
  'tcp_keepalives_count',
]);

/**
 * What a thief of a login may have left, or could use. A login may change its own settings, and they stay when its password
 * changes.
 */
export function loginWarnings({
  database,
  leaves_temporary,
  leaves_advisory_locks,
  login_settings,
}: LoginFacts): Problem[] {
  const settings = login_settings
    .filter(({ name }) => !EXPECTED.has(name))
    .map(({ login, name }) => ({
      message: `The login ${login} has its own setting ${name}, which a thief of the login may have made.`,
      fix: `ALTER ROLE ${pg.escapeIdentifier(login)} RESET ALL; ALTER ROLE ${pg.escapeIdentifier(login)} IN DATABASE ${pg.escapeIdentifier(database)} RESET ALL; then set what it needs again.`,
    }));
  const leftovers = [
    {
      left: leaves_temporary,
      message: `Every login may create temporary tables in the database "${database}", and so fill the disk.`,
      fix: `REVOKE TEMPORARY ON DATABASE ${pg.escapeIdentifier(database)} FROM PUBLIC; as its owner.`,
    },
    {
      left: leaves_advisory_locks,
      message: `Every login may take advisory locks in the database "${database}", and so use up the locks of the server, which stops replication.`,
      fix: 'The statements of docs/install.md ("A superuser can also take"), as a superuser.',
    },
  ];
  return [...settings, ...leftovers.filter(({ left }) => left).map(({ message, fix }) => ({ message, fix }))];
}
