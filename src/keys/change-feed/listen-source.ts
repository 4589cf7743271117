import type { Change } from './change.ts';
import type { Batch, ChangeSource, Lag } from './change-source.ts';
import { FeedConnection, type FeedConnectionOptions } from './feed-connection.ts';

const BATCH = 5_000;

interface ChangeRow {
  seq: string;
  entity: string;
  id: string;
  version: string;
}

/**
 * Follows the `changes` table of a logical replica. NOTIFY only wakes the reader, the table is the truth: seq order is
 * commit order (see the migration), so whoever has read up to N has missed nothing.
 */
export class ListenSource implements ChangeSource {
  readonly #url: string;
  readonly #options: FeedConnectionOptions;
  #connection: FeedConnection | undefined;
  #lastSeq = 0;
  #mustCompare = false;

  constructor(url: string, options: FeedConnectionOptions) {
    this.#url = url;
    this.#options = options;
  }

  async connect(wake: () => void, broken: (error: Error) => void): Promise<void> {
    this.#connection = await FeedConnection.open(this.#url, this.#options, { notified: wake, broken });
    await this.#query('LISTEN iam_changes');
    this.#mustCompare = true;
  }

  async begin(windowMs: number, limit: number): Promise<{ changes: Change[]; trustedSinceMs: number }> {
    const [newest] = await this.#query<{ seq: string }>('SELECT coalesce(max(seq), 0) AS seq FROM changes');
    const lastSeq = Number(newest?.seq ?? 0);
    const rows = await this.#query<ChangeRow & { at: Date }>(
      `SELECT seq, entity, id, version, at FROM changes
       WHERE seq <= $1 AND at > now() - make_interval(secs => $2) ORDER BY seq DESC LIMIT $3`,
      [lastSeq, windowMs / 1_000, limit],
    );
    this.#lastSeq = lastSeq;
    this.#mustCompare = false;
    const trustedSinceMs =
      rows.length < limit ? Date.now() - windowMs : (rows.at(-1)?.at.getTime() ?? Date.now());
    return { changes: rows.reverse().map(toChange), trustedSinceMs };
  }

  async read(): Promise<Batch> {
    if (this.#mustCompare) {
      const continues = await this.#continues();
      this.#mustCompare = false;
      if (!continues) return { changes: [{ entity: 'everything' }], more: true };
    }
    const rows = await this.#query<ChangeRow>(
      'SELECT seq, entity, id, version FROM changes WHERE seq > $1 ORDER BY seq LIMIT $2',
      [this.#lastSeq, BATCH],
    );
    const last = rows.at(-1);
    if (last !== undefined) this.#lastSeq = Number(last.seq);
    return { changes: rows.map(toChange), more: rows.length === BATCH };
  }

  async lag(): Promise<Lag | undefined> {
    const [row] = await this.#query<{ apply: string; age: string }>(
      `SELECT extract(epoch FROM received_at - beat_at) AS apply, extract(epoch FROM clock_timestamp() - beat_at) AS age
       FROM heartbeat`,
    );
    return row && { applySeconds: Number(row.apply), heartbeatAgeSeconds: Number(row.age) };
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** Whether the table still goes on from where we are: not restored from a backup, not pruned past us. */
  async #continues(): Promise<boolean> {
    const [row] = await this.#query<{ first: string; last: string }>(
      'SELECT coalesce(min(seq), 0) AS first, coalesce(max(seq), 0) AS last FROM changes',
    );
    const goesOn =
      row !== undefined && Number(row.last) >= this.#lastSeq && Number(row.first) <= this.#lastSeq + 1;
    if (!goesOn) this.#lastSeq = Number(row?.last ?? 0);
    return goesOn;
  }

  #query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]> {
    if (this.#connection === undefined) throw new Error('not connected');
    return this.#connection.query<Row>(text, values);
  }
}

function toChange(row: ChangeRow): Change {
  if (row.entity === 'key' || row.entity === 'roles') {
    return { entity: row.entity, id: row.id, version: Number(row.version) };
  }
  return { entity: 'everything' };
}
