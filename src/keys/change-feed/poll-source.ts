import type { Change } from './change.ts';
import { type Batch, type ChangeSource, CLOCK_SKEW_MS, type Lag } from './change-source.ts';
import { FeedConnection, type FeedConnectionOptions } from './feed-connection.ts';

const BATCH = 1_000;

/**
 * Longest that a transaction may take on the primary from being given a version to its commit. Versions within it are
 * read again, since they may turn up after higher ones.
 */
const OVERLAP_MS = 30_000;

interface ChangeRow {
  entity: 'key' | 'roles';
  id: string;
  version: string;
}

const CHANGED = `
  SELECT 'key' AS entity, id, version, changed_at FROM api_keys
  UNION ALL
  SELECT 'roles', json_build_array(organization_id, project_type, project_id)::text, version, changed_at FROM roles`;

/**
 * Follows a physical standby, which is read-only and knows neither LISTEN nor our `changes` table: rows are read by
 * version, again and again, with an overlap. A change arrives with the delay of the poll interval.
 *
 * Not safe for rows that are deleted outright: they leave no version behind. The control plane's login cannot do that.
 */
export class PollSource implements ChangeSource {
  readonly #url: string;
  readonly #options: FeedConnectionOptions;
  readonly #now: () => number;
  #connection: FeedConnection | undefined;
  #highest = 0;
  /** Highest version seen, at moments of the last `OVERLAP_MS`; the first is where reading starts. */
  #seen: { version: number; atMs: number }[] = [];
  /** Versions of the overlap that were handed over already. */
  #delivered = new Set<number>();
  #mustCompare = false;

  constructor(url: string, options: FeedConnectionOptions, now: () => number) {
    this.#url = url;
    this.#options = options;
    this.#now = now;
  }

  async connect(_wake: () => void, broken: (error: Error) => void): Promise<void> {
    this.#connection = await FeedConnection.open(this.#url, this.#options, { notified: () => {}, broken });
    this.#mustCompare = true;
  }

  /**
   * Nothing that other pods read before this moment is trusted unchecked: rows say when they changed on the primary,
   * not when that reached this standby, so no window of them could vouch for it.
   */
  async begin(): Promise<{ changes: Change[]; trustedSinceMs: number }> {
    // The overlap is counted from the newest row, since a standby that lags has newer ones yet to come.
    const [oldEnough] = await this.#query<{ version: string | null }>(
      `SELECT greatest(
         (SELECT max(version) FROM api_keys WHERE changed_at <= until),
         (SELECT max(version) FROM roles WHERE changed_at <= until)
       ) AS version
       FROM (SELECT least(now(), greatest(
         (SELECT max(changed_at) FROM api_keys),
         (SELECT max(changed_at) FROM roles)
       )) - make_interval(secs => $1) AS until) AS overlap`,
      [OVERLAP_MS / 1_000],
    );
    this.#startFrom(Number(oldEnough?.version ?? 0));
    this.#mustCompare = false;
    return { changes: [], trustedSinceMs: this.#now() + CLOCK_SKEW_MS };
  }

  async read(): Promise<Batch> {
    if (this.#mustCompare) {
      const wentBack = await this.#wentBack();
      this.#mustCompare = false;
      if (wentBack) return { changes: [{ entity: 'everything' }], more: true };
    }
    const startedAtMs = this.#now();
    const rows = await this.#query<ChangeRow>(
      `SELECT entity, id, version FROM (${CHANGED}) AS changed WHERE version > $1 AND NOT version = ANY($2::bigint[])
       ORDER BY version LIMIT $3`,
      [this.#seen[0]?.version ?? 0, [...this.#delivered], BATCH],
    );
    for (const row of rows) {
      const version = Number(row.version);
      this.#delivered.add(version);
      this.#highest = Math.max(this.#highest, version);
    }
    const more = rows.length === BATCH;
    if (!more) this.#moveOverlap(startedAtMs);
    return { changes: rows.map(toChange), more };
  }

  async lag(): Promise<Lag | undefined> {
    const [row] = await this.#query<{ age: string }>(
      'SELECT extract(epoch FROM clock_timestamp() - beat_at) AS age FROM heartbeat',
    );
    return row && { applySeconds: Number(row.age), heartbeatAgeSeconds: Number(row.age) };
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  #startFrom(version: number): void {
    this.#highest = version;
    this.#seen = [{ version, atMs: this.#now() }];
    this.#delivered = new Set();
  }

  #moveOverlap(startedAtMs: number): void {
    this.#seen.push({ version: this.#highest, atMs: startedAtMs });
    let passed = 0;
    while ((this.#seen[passed + 1]?.atMs ?? startedAtMs) <= startedAtMs - OVERLAP_MS) passed += 1;
    if (passed === 0) return;
    this.#seen.splice(0, passed);
    const floor = this.#seen[0]?.version ?? 0;
    for (const version of this.#delivered) if (version <= floor) this.#delivered.delete(version);
  }

  /** Versions only grow, unless the primary was restored from a backup: then reading starts over. */
  async #wentBack(): Promise<boolean> {
    const [row] = await this.#query<{ version: string | null }>(
      'SELECT greatest((SELECT max(version) FROM api_keys), (SELECT max(version) FROM roles)) AS version',
    );
    if (Number(row?.version ?? 0) >= this.#highest) return false;
    await this.begin();
    return true;
  }

  #query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]> {
    if (this.#connection === undefined) throw new Error('not connected');
    return this.#connection.query<Row>(text, values);
  }
}

function toChange(row: ChangeRow): Change {
  return { entity: row.entity, id: row.id, version: Number(row.version) };
}
