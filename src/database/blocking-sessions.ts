import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { withClient } from './one-client.ts';

const CHECK_INTERVAL_MS = 100;

/** A session that another one waits for. */
interface Session {
  /** 0 for a prepared transaction, which has no session. */
  pid: number;
  user: string | null;
  application: string | null;
  /** Age of its transaction; `null` if it has none, or belongs to a login that this one may not look at. */
  seconds: number | null;
}

/** The columns of `Session`, from pg_stat_activity. */
const SESSION = `usename AS "user", application_name AS application, extract(epoch FROM clock_timestamp() - xact_start)::int AS seconds`;

/** "pid 12 (user app, psql, transaction of 75 s)" */
function describe({ pid, user, application, seconds }: Session): string {
  if (pid === 0) return 'a prepared transaction (SELECT * FROM pg_prepared_xacts)';
  const facts = [
    ...(user === null ? [] : [`user ${user}`]),
    ...(application ? [application] : []),
    ...(seconds === null ? [] : [`transaction of ${seconds} s`]),
  ];
  return `pid ${pid}${facts.length === 0 ? '' : ` (${facts.join(', ')})`}`;
}

/** The sessions that hold an advisory lock of this database, as text; empty if there are none. */
export async function holdersOfAdvisoryLock(client: pg.ClientBase, key: number): Promise<string> {
  const { rows } = await client.query<Session>(
    `SELECT pg_locks.pid, ${SESSION} FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
     WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND (classid::bigint << 32) + objid::bigint = $1
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [key],
  );
  return rows.map(describe).join(', ');
}

/**
 * Watches from a connection of its own which sessions a session waits for. Only while it waits does Postgres know them.
 */
export class BlockingSessions {
  readonly #url: string;
  readonly #pid: number;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #found: Session[] = [];

  /** @param pid of the session that may wait */
  constructor(databaseUrl: string, pid: number) {
    this.#url = databaseUrl;
    this.#pid = pid;
    // Without the watch the messages name no session, but the migration is not at fault.
    this.#running = this.#watch().catch(() => {});
  }

  /** The sessions that were found last, as text. */
  get names(): string {
    return this.#found.length === 0 ? 'another session' : this.#found.map(describe).join(', ');
  }

  /** Their process ids: the same while the same sessions block. */
  get pids(): string {
    return this.#found.map(({ pid }) => pid).join();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    const pause = () => sleep(CHECK_INTERVAL_MS, undefined, { signal });
    await pause(); // most migrations end before
    await withClient(this.#url, 'iam-migrate', async (client) => {
      for (;;) {
        const { rows } = await client.query<Session>(
          `SELECT blocker AS pid, ${SESSION} FROM unnest(pg_blocking_pids($1)) AS blocker
             LEFT JOIN pg_stat_activity ON pid = blocker`,
          [this.#pid],
        );
        if (rows.length > 0) this.#found = rows;
        await pause();
      }
    });
  }
}
