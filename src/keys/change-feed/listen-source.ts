import type { Change } from './change.ts';
import { type Batch, CLOCK_SKEW_MS, type Lag } from './change-source.ts';
import { FeedConnection, type FeedConnectionOptions, type FeedConnectionUser } from './feed-connection.ts';

const BATCH = 1_000;
/** As `BATCH`, for what changed before this process began. */
const PAST_PAGE = 5_000;

interface Position {
  seq: string;
  at: string;
}

interface PastRow extends Omit<ChangeRow, 'at'> {
  transaction: string;
  recent: boolean;
}

interface ChangeRow extends Position {
  entity: string;
  id: string;
  version: string;
}

/**
 * Follows the `changes` table of a logical replica. NOTIFY only wakes the reader, the table is the truth: seq order is
 * commit order (see the migration), so whoever has read up to N has missed nothing.
 */
export class ListenSource implements FeedConnectionUser {
  readonly #url: string;
  readonly #options: FeedConnectionOptions;
  #connection: FeedConnection | undefined;
  readonly #now: () => number;
  /** The last row that was read; its time tells it from another row that has the same number after a restore. */
  #last = { seq: '0', at: '' };
  #mustCompare = false;

  constructor(url: string, options: FeedConnectionOptions, now: () => number) {
    this.#url = url;
    this.#options = options;
    this.#now = now;
  }

  async connect(wake: () => void, broken: (error: Error) => void): Promise<void> {
    await this.take(await FeedConnection.open(this.#url, this.#options, { notified: wake, broken }));
  }

  async take(connection: FeedConnection): Promise<void> {
    this.#connection = connection;
    await this.#query('LISTEN iam_changes');
    this.#mustCompare = true;
  }

  /** Goes back page by page, so that no single query takes long after a flood of changes. */
  async begin(windowMs: number, limit: number): Promise<{ changes: Change[]; trustedSinceMs: number }> {
    const last = await this.#newest();
    const changes: Change[] = [];
    let whole = false;
    let before = String(Number(last.seq) + 1);
    let transaction = '';
    while (!whole && changes.length < limit) {
      const rows = await this.#query<PastRow>(
        `SELECT seq, entity, id, version, xmin::text AS transaction,
                at > clock_timestamp() - make_interval(secs => $1) AS recent
         FROM changes WHERE seq < $2 ORDER BY seq DESC LIMIT $3`,
        [windowMs / 1_000, before, PAST_PAGE],
      );
      for (const row of rows) {
        // A transaction's rows were all seen at its end, however long before that the first was written.
        whole ||= !row.recent && row.transaction !== transaction;
        if (whole) break;
        transaction = row.transaction;
        before = row.seq;
        changes.push(toChange(row));
      }
      whole ||= rows.length < PAST_PAGE;
    }
    this.#last = last;
    this.#mustCompare = false;
    const nowMs = this.#now();
    return { changes: changes.reverse(), trustedSinceMs: whole ? nowMs - windowMs : nowMs + CLOCK_SKEW_MS };
  }

  async read(): Promise<Batch> {
    if (this.#mustCompare) {
      const continues = await this.#continues();
      this.#mustCompare = false;
      if (!continues) return { changes: [{ entity: 'everything' }], more: true };
    }
    const rows = await this.#query<ChangeRow>(
      'SELECT seq, at::text, entity, id, version FROM changes WHERE seq > $1 ORDER BY seq LIMIT $2',
      [this.#last.seq, BATCH],
    );
    this.#last = rows.at(-1) ?? this.#last;
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

  /**
   * Whether the table still goes on from the row we have read last. It does not when the replica was restored from a
   * backup, also one that has passed our number meanwhile, or when the row was pruned because we were away so long.
   */
  async #continues(): Promise<boolean> {
    const [row] = await this.#query<{ at: string }>('SELECT at::text FROM changes WHERE seq = $1', [
      this.#last.seq,
    ]);
    if (row?.at === this.#last.at) return true;
    this.#last = await this.#newest();
    return false;
  }

  async #newest(): Promise<Position> {
    const [row] = await this.#query<Position>('SELECT seq, at::text FROM changes ORDER BY seq DESC LIMIT 1');
    return row ?? { seq: '0', at: '' };
  }

  #query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]> {
    if (this.#connection === undefined) throw new Error('not connected');
    return this.#connection.query<Row>(text, values);
  }
}

function toChange(row: Omit<ChangeRow, 'at'>): Change {
  if (row.entity === 'key' || row.entity === 'roles') {
    return { entity: row.entity, id: row.id, version: Number(row.version) };
  }
  return { entity: 'everything' };
}
