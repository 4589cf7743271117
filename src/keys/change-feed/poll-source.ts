import type { Change } from './change.ts';
import { type Batch, CLOCK_SKEW_MS, type Lag } from './change-source.ts';
import { FeedConnection, type FeedConnectionOptions, type FeedConnectionUser } from './feed-connection.ts';

const BATCH = 1_000;

/**
 * Longest that a transaction may take on the primary from being given a version to its commit: so long a version that
 * was passed over is looked for.
 */
const OVERLAP_MS = 30_000;

interface Gap {
  first: number;
  last: number;
  sinceMs: number;
}

interface ChangeRow {
  entity: 'key' | 'roles';
  id: string;
  version: string;
}

/** @param where condition on the rows of either table */
const changed = (where: string) => `
  SELECT 'key' AS entity, id, version FROM api_keys WHERE ${where}
  UNION ALL
  SELECT 'roles', json_build_array(organization_id, project_type, project_id)::text, version FROM roles WHERE ${where}`;

/**
 * Follows a physical standby, which is read-only and knows neither LISTEN nor our `changes` table: rows are read by
 * version, again and again; a version that is missing is looked for a while longer, since its transaction may commit
 * last. A change arrives with the delay of the poll interval.
 *
 * Not safe for rows that are deleted outright: they leave no version behind. The control plane's login cannot do that.
 */
export class PollSource implements FeedConnectionUser {
  readonly #url: string;
  readonly #options: FeedConnectionOptions;
  readonly #now: () => number;
  #connection: FeedConnection | undefined;
  #highest = 0;
  /** Versions below the highest that nobody has been seen with: of transactions that commit late, or overwritten. */
  #gaps: Gap[] = [];
  #mustCompare = false;

  constructor(url: string, options: FeedConnectionOptions, now: () => number) {
    this.#url = url;
    this.#options = options;
    this.#now = now;
  }

  async connect(_wake: () => void, broken: (error: Error) => void): Promise<void> {
    await this.take(await FeedConnection.open(this.#url, this.#options, { notified: () => {}, broken }));
  }

  async take(connection: FeedConnection): Promise<void> {
    this.#connection = connection;
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
    this.#highest = Number(oldEnough?.version ?? 0);
    this.#gaps = [];
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
    // First what is late: a version that is passed over by the second query had not been committed before it.
    const late = await this.#late();
    const rows = await this.#query<ChangeRow>(`${changed('version > $1')} ORDER BY version LIMIT $2`, [
      this.#highest,
      BATCH,
    ]);
    // From here on nothing can fail: what has been moved past is handed over.
    const more = Math.max(late.length, rows.length) === BATCH;
    for (const row of late) this.#fill(Number(row.version));
    if (!more) this.#gaps = this.#gaps.filter((gap) => gap.sinceMs > startedAtMs - OVERLAP_MS);
    for (const row of rows) this.#advance(Number(row.version), startedAtMs);
    return { changes: [...late, ...rows].map(toChange), more };
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

  /** What turned up in the gaps since they were noticed. */
  async #late(): Promise<ChangeRow[]> {
    if (this.#gaps.length === 0) return [];
    return await this.#query<ChangeRow>(
      `SELECT late.* FROM unnest($1::bigint[], $2::bigint[]) AS gap (first, last)
       CROSS JOIN LATERAL (${changed('version BETWEEN first AND last')}) AS late
       LIMIT $3`,
      [this.#gaps.map(({ first }) => first), this.#gaps.map(({ last }) => last), BATCH],
    );
  }

  #advance(version: number, sinceMs: number): void {
    if (version > this.#highest + 1) {
      this.#gaps.push({ first: this.#highest + 1, last: version - 1, sinceMs });
    }
    this.#highest = version;
  }

  #fill(version: number): void {
    this.#gaps = this.#gaps.flatMap((gap) => {
      if (version < gap.first || version > gap.last) return [gap];
      const around = [
        { ...gap, last: version - 1 },
        { ...gap, first: version + 1 },
      ];
      return around.filter(({ first, last }) => first <= last);
    });
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
