import pg from 'pg';
import { forNode } from './connection-string.ts';

const CONNECT_TIMEOUT_MS = 10_000;

/** Runs work on a connection of its own. @param applicationName as `pg_stat_activity` shows it */
export async function withClient<Result>(
  databaseUrl: string,
  applicationName: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({
    connectionString: forNode(databaseUrl),
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  // A connection that breaks between two statements is reported by the next one; without a listener it ends the process.
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end();
  }
}
