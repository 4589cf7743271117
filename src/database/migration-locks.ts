import { setTimeout as sleep } from 'node:timers/promises';
import { PG_MIGRATE_LOCK_ID } from 'node-pg-migrate';
import pg from 'pg';
import { BlockingSessions, holdersOfAdvisoryLock } from './blocking-sessions.ts';

/**
 * How long a migration waits in the queue of a lock. All later users of the table wait behind it, so the time is below the
 * default of DATABASE_QUERY_TIMEOUT_MS (1 s): they are late, but do not fail.
 */
const LOCK_TIMEOUT_MS = 500;
/** The users of the table that waited come first. */
const PAUSE_MS = 1_000;
const TURN_CHECK_INTERVAL_MS = 200;
const REPORT_AFTER_MS = 1_000;
const REPORT_INTERVAL_MS = 30_000;

/** Whether Postgres ended a statement because it waited for a lock for `lock_timeout`. */
function isLockTimeout(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '55P03';
}

/**
 * Waits until no other migration of the database runs, also one of an earlier release. The end of the session ends the turn.
 * @param report receives messages while it waits
 */
export async function waitForTurn(client: pg.ClientBase, report: (message: string) => void): Promise<void> {
  const startedAtMs = performance.now();
  let reportAtMs = startedAtMs + REPORT_AFTER_MS;
  for (;;) {
    const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [
      PG_MIGRATE_LOCK_ID,
    ]);
    if (rows[0]?.taken) return;
    if (performance.now() >= reportAtMs) {
      reportAtMs += REPORT_INTERVAL_MS;
      const holders = await holdersOfAdvisoryLock(client, PG_MIGRATE_LOCK_ID);
      if (holders !== '') report(`waiting for another migration, which holds the lock: ${holders}`);
    }
    await sleep(TURN_CHECK_INTERVAL_MS);
  }
}

/**
 * Runs work that takes strong locks, so that it never stays in the queue of a lock for long. After a short wait it rolls back
 * and begins again, until `giveUpAfterMs`.
 * @param work must be safe to repeat
 * @param report receives messages while it waits
 * @throws Error that names the sessions which hold the lock
 */
export async function withShortLockWaits(
  client: pg.ClientBase,
  { databaseUrl, giveUpAfterMs, report }: LockWaits,
  work: () => Promise<void>,
): Promise<void> {
  await client.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const blocking = new BlockingSessions(databaseUrl, rows[0]?.pid ?? 0);
  const startedAtMs = performance.now();
  let reported: string | undefined;
  try {
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        // Of a connection that is lost, the first error says more.
        await client.query('ROLLBACK').catch(() => {});
        if (!isLockTimeout(error)) throw error;
      }
      const { names, pids } = blocking;
      if (performance.now() - startedAtMs >= giveUpAfterMs) throw new Error(gaveUp(names, giveUpAfterMs));
      if (pids !== reported) report(`waiting for a lock that ${names} holds; trying again`);
      reported = pids;
      await sleep(PAUSE_MS);
    }
  } finally {
    await blocking.stop();
  }
}

export interface LockWaits {
  databaseUrl: string;
  giveUpAfterMs: number;
  report: (message: string) => void;
}

function gaveUp(names: string, afterMs: number): string {
  return `For ${Math.round(afterMs / 1_000)} s, the migration could not get a lock that ${names} holds. The migration that waited for it was not applied. End that session, on the server: SELECT pg_terminate_backend(<pid>); then run the command again.`;
}
