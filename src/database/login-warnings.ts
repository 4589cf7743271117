import pg from 'pg';
import type { Problem } from './findings.ts';

/** What the logins of the service can do beside their work. */
export interface LoginFacts {
  database: string;
  /** Whether every login may create temporary tables, and the migration cannot change it. */
  leaves_temporary: boolean;
  /** The names of the settings that each login has of its own. */
  login_settings: readonly { login: string; name: string }[];
}

/** Settings that docs/install.md and docs/operations.md give to logins. */
const EXPECTED = new Set([
  'statement_timeout',
  'tcp_user_timeout',
  'tcp_keepalives_idle',
  'tcp_keepalives_interval',
  'tcp_keepalives_count',
]);

/**
 * What a thief of a login may have left, or could use. A login may change its own settings, and they stay when its password
 * changes.
 */
export function loginWarnings({ database, leaves_temporary, login_settings }: LoginFacts): Problem[] {
  const settings = login_settings
    .filter(({ name }) => !EXPECTED.has(name))
    .map(({ login, name }) => ({
      message: `The login ${login} has its own setting ${name}, which a thief of the login may have made.`,
      fix: `ALTER ROLE ${pg.escapeIdentifier(login)} RESET ALL; ALTER ROLE ${pg.escapeIdentifier(login)} IN DATABASE ${pg.escapeIdentifier(database)} RESET ALL; then set what it needs again.`,
    }));
  if (!leaves_temporary) return settings;
  return [
    ...settings,
    {
      message: `Every login may create temporary tables in the database "${database}", and so fill the disk.`,
      fix: `REVOKE TEMPORARY ON DATABASE ${pg.escapeIdentifier(database)} FROM PUBLIC; as its owner.`,
    },
  ];
}
