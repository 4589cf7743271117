import type pg from 'pg';
import { messageOf } from '../lib/message-of.ts';
import { withClient } from './one-client.ts';

/**
 * Runs work on the primary of a connection string. With several hosts, standbys and unreachable servers are passed over, as
 * `target_session_attrs=read-write` does.
 * @param urls one per host, as `asUrls` returns them
 * @throws Error that says for every host why it was not used
 */
export async function withPrimary<Result>(
  urls: readonly URL[],
  applicationName: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const [only, ...more] = urls;
  if (only !== undefined && more.length === 0) return withServer(only, applicationName, work);
  const reasons: string[] = [];
  for (const url of urls) {
    try {
      return await withServer(url, applicationName, async (client) => {
        await assertPrimary(client);
        return work(client);
      });
    } catch (error) {
      reasons.push(`${url.searchParams.get('host')}:${url.port || 5432}: ${messageOf(error)}`);
    }
  }
  throw new Error(reasons.join('; '));
}

async function assertPrimary(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
  if (rows[0]?.standby === true) throw new Error('is a standby');
}

/** Said when either host lacks the file of `sslrootcert`. */
export const ON_BOTH_HOSTS =
  'The file of sslrootcert must have the same path on the host of this command and on the server of the region, because both connect to the primary. sslrootcert=system needs no file, but libpq 16 or later on that server.';

/** With `sslmode=prefer`, the default of libpq, a server without TLS is right too. */
async function withServer<Result>(
  url: URL,
  applicationName: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  try {
    return await withClient(url.href, applicationName, work);
  } catch (error) {
    const { syscall, code } = error as NodeJS.ErrnoException;
    if (syscall === 'open') {
      throw new Error(
        `A file of the connection string cannot be read on this host (${code}). ${ON_BOTH_HOSTS}`,
      );
    }
    if (url.searchParams.get('sslmode') !== 'prefer' || !/not support SSL/.test(messageOf(error)))
      throw error;
    const plain = new URL(url);
    plain.searchParams.set('sslmode', 'disable');
    return await withClient(plain.href, applicationName, work);
  }
}
