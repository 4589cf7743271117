import type pg from 'pg';
import { withClient } from './one-client.ts';

/** Whether a failure is a pooler's refusal of a session setting, such as `statement_timeout`. */
export function isRefusedByPooler(error: unknown): boolean {
  return error instanceof Error && /unsupported startup parameter/.test(error.message);
}

/**
 * Whether a client is connected to a pooler. The server reports its process at the start of a session and to
 * `pg_backend_pid()`; a pooler makes up the first one, which cancels statements.
 */
export async function isPooled(client: pg.ClientBase): Promise<boolean> {
  const { processID } = client as unknown as { processID: number | null };
  return (await backendOf(client)) !== processID;
}

/** Whether a client is connected to a pooler in transaction mode, which gives an idle session's server to the next one. */
export async function usesTransactionPooling(client: pg.ClientBase, databaseUrl: string): Promise<boolean> {
  if (!(await isPooled(client))) return false;
  const first = await backendOf(client);
  return withClient(databaseUrl, 'iam-migrate', async (second) => (await backendOf(second)) === first);
}

async function backendOf(client: pg.ClientBase): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid;
}
