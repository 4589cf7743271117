import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { countOf } from '../../lib/count-of.ts';
import { messageOf } from '../../lib/message-of.ts';
import { readAges } from './primary-state.ts';
import { onPrimary } from './reach-primary.ts';
import { type RegionState, readRegionState } from './region-state.ts';
import { HEARTBEAT_LIMIT_SECONDS } from './verdict.ts';

const CHECK_INTERVAL_MS = 200;
const REPORT_INTERVAL_MS = 5_000;
/** How long the heartbeat may take after the copy. It is written every second, behind all that commits before it. */
const HEARTBEAT_TIMEOUT_MS = 30_000;

/** What a wait needs. */
export interface CopyWait {
  /** How long nothing may be copied, in milliseconds. A large table may take as long as it needs. */
  stalledMs: number;
  /** libpq connection string of the primary. */
  connection: string;
  /** Receives lines for the operator. */
  report: (line: string) => void;
}

/**
 * Waits until the region has copied all tables and a later heartbeat has arrived, so that it has all rows of the primary.
 * @returns undefined, or what is missing
 */
export async function awaitCopy(region: pg.ClientBase, wait: CopyWait): Promise<string | undefined> {
  const started = await readRegionState(region);
  const reported = new Map<string, string>();
  let copiedRows = 0;
  let progressAtMs = Date.now();
  let reportedAtMs = Date.now();
  for (;;) {
    const state = await readRegionState(region);
    for (const { name, state: now } of state.tables) {
      if (reported.get(name) === now) continue;
      reported.set(name, now);
      wait.report(`${name}: ${now}`);
      progressAtMs = Date.now();
    }
    if (state.tables.length > 0 && state.tables.every((table) => table.state === 'ready')) break;
    const { table, rows } = await copyProgress(region);
    if (rows !== copiedRows) progressAtMs = Date.now();
    copiedRows = rows;
    if (rows > 0 && Date.now() - reportedAtMs > REPORT_INTERVAL_MS) {
      wait.report(`${table}: ${rows} rows copied`);
      reportedAtMs = Date.now();
    }
    if (Date.now() - progressAtMs > wait.stalledMs) return stalled(started, state);
    await sleep(CHECK_INTERVAL_MS);
  }
  return awaitHeartbeat(region, wait);
}

async function copyProgress(region: pg.ClientBase): Promise<{ table: string; rows: number }> {
  const { rows } = await region.query<{ table: string; rows: number }>(
    `SELECT max(relid::regclass::text) AS table, coalesce(sum(tuples_processed), 0)::float8 AS rows
     FROM pg_stat_progress_copy WHERE datname = current_database() AND command = 'COPY FROM'`,
  );
  return rows[0] ?? { table: '', rows: 0 };
}

function stalled(started: RegionState, { tables, errors }: RegionState): string {
  const waiting = tables.filter(({ state }) => state !== 'ready').map(({ name }) => name);
  const failed = errors.copy + errors.apply - started.errors.copy - started.errors.apply;
  const cause =
    failed > 0
      ? `The copy or the apply worker failed ${countOf(failed, 'time')}. The log of the region's server states the cause.`
      : "No copy is progressing. A long transaction on the primary delays it; max_logical_replication_workers of the region's server may be too low.";
  return `Not copied: ${waiting.join(', ')}. ${cause}`;
}

async function awaitHeartbeat(region: pg.ClientBase, wait: CopyWait): Promise<string | undefined> {
  const former = await newestCounter(region, wait.connection);
  for (
    const endsAtMs = Date.now() + HEARTBEAT_TIMEOUT_MS;
    Date.now() < endsAtMs;
    await sleep(CHECK_INTERVAL_MS)
  ) {
    const { heartbeat } = await readRegionState(region);
    if (heartbeat?.complete === true && heartbeat.counter > former) return undefined;
    // Without a control plane none will come.
    if (endsAtMs - Date.now() < HEARTBEAT_TIMEOUT_MS - HEARTBEAT_LIMIT_SECONDS * 1_000) {
      const silent = await silentPrimary(wait.connection);
      if (silent !== undefined) return silent;
    }
  }
  return 'All tables are copied, but no later heartbeat has arrived. Look at "iam region status".';
}

/** The primary's if it can be reached from here, else the region's, which may lag. */
async function newestCounter(region: pg.ClientBase, connection: string): Promise<number> {
  const read = async (client: pg.ClientBase) =>
    (await client.query<{ counter: number }>('SELECT counter::float8 AS counter FROM heartbeat')).rows[0]
      ?.counter ?? -1;
  return onPrimary(connection, read).catch(() => read(region));
}

async function silentPrimary(connection: string): Promise<string | undefined> {
  try {
    const { heartbeat_age_seconds: age } = await onPrimary(connection, readAges);
    if (age !== null && age < HEARTBEAT_LIMIT_SECONDS) return undefined;
    return 'All tables are copied, but no control plane runs: without its heartbeat the region cannot know that it is complete. Start "iam control-plane".';
  } catch (error) {
    return `All tables are copied, but no later heartbeat has arrived, and the primary cannot be reached (${messageOf(error)}).`;
  }
}
