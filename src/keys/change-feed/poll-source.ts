import type { Change } from './change.ts';
import type { Batch, ChangeSource, Lag } from './change-source.ts';
import { FeedConnection, type FeedConnectionOptions } from './feed-connection.ts';

const BATCH = 5_000;

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
 */
export class PollSource implements ChangeSource {
  readonly #url: string;
  readonly #options: FeedConnectionOptions;
  readonly #now: () => number;
  #connection: FeedConnection | undefined;
  /** Highest version seen, at moments of the last `OVERLAP_MS`; the first is where reading starts. */
  #seen: { version: number; atMs: number }[] = [];
  /** Versions of the overlap that were handed over already. */
  #delivered = new Set<number>();

  constructor(url: string, options: FeedConnectionOptions, now: () => number) {
    this.#url = url;
    this.#options = options;
    this.#now = now;
  }

  async connect(_wake: () => void, broken: (error: Error) => void): Promise<void> {
    this.#connection = await FeedConnection.open(this.#url, this.#options, { notified: () => {}, broken });
  }

  async begin(windowMs: number, limit: number): Promise<{ changes: Change[]; trustedSinceMs: number }> {
    const startedAtMs = this.#now();
    const rows = await this.#query<ChangeRow & { changed_at: Date }>(
      `SELECT entity, id, version, changed_at FROM (${CHANGED}) AS changed
       WHERE changed_at > now() - make_interval(secs => $1) ORDER BY version DESC LIMIT $2`,
      [windowMs / 1_000, limit],
    );
    const [oldEnough] = await this.#query<{ version: string }>(
      `SELECT coalesce(max(version), 0) AS version FROM (${CHANGED}) AS changed
       WHERE changed_at <= now() - make_interval(secs => $1)`,
      [OVERLAP_MS / 1_000],
    );
    this.#seen = [{ version: Number(oldEnough?.version ?? 0), atMs: startedAtMs }];
    this.#delivered = new Set();
    const trustedSinceMs =
      rows.length < limit ? startedAtMs - windowMs : (rows.at(-1)?.changed_at.getTime() ?? startedAtMs);
    return { changes: rows.reverse().map(toChange), trustedSinceMs };
  }

  async read(): Promise<Batch> {
    const startedAtMs = this.#now();
    const from = this.#seen[0]?.version ?? 0;
    const rows = await this.#query<ChangeRow>(
      `SELECT entity, id, version FROM (${CHANGED}) AS changed WHERE version > $1 AND NOT version = ANY($2::bigint[])
       ORDER BY version LIMIT $3`,
      [from, [...this.#delivered], BATCH],
    );
    for (const row of rows) this.#delivered.add(Number(row.version));
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

  #moveOverlap(startedAtMs: number): void {
    const highest = Math.max(this.#seen.at(-1)?.version ?? 0, ...this.#delivered);
    this.#seen.push({ version: highest, atMs: startedAtMs });
    while ((this.#seen[1]?.atMs ?? startedAtMs) <= startedAtMs - OVERLAP_MS) this.#seen.shift();
    const floor = this.#seen[0]?.version ?? 0;
    for (const version of this.#delivered) if (version <= floor) this.#delivered.delete(version);
  }

  #query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]> {
    if (this.#connection === undefined) throw new Error('not connected');
    return this.#connection.query<Row>(text, values);
  }
}

function toChange(row: ChangeRow): Change {
  return { entity: row.entity, id: row.id, version: Number(row.version) };
}
