import { type Change, changeOf } from './change.ts';
import { BATCH_ROWS, type Batch, CLOCK_SKEW_MS, type Lag } from './change-source.ts';
import { ConnectedSource, type FeedConnectionOptions } from './feed-connection.ts';
import { SUBSCRIPTION_STATE, type SubscriptionState } from './subscription-state.ts';

/** Maximum rows of one read of the backlog. */
const BACKLOG_PAGE_ROWS = 5_000;

interface Position {
  seq: string;
  at: string;
}

interface BacklogRow extends Omit<ChangeRow, 'at'> {
  transaction: string;
  recent: boolean;
}

interface ChangeRow extends Position {
  entity: string;
  id: string;
  version: string;
}

interface LagRow {
  apply: string;
  age: string;
  complete: boolean;
  compared: string | null;
  generation: string;
  lineage: string;
  reason: string;
  counter: string;
  contacted: boolean;
  started: string;
  keys: number[];
  roles: number[];
  unverified: number;
  subscription: SubscriptionState;
}

const LAG = `
  SELECT extract(epoch FROM received_at - beat_at) AS apply, extract(epoch FROM clock_timestamp() - received_at) AS age, complete,
    (SELECT extract(epoch FROM clock_timestamp() - min(checked_at)) FROM compared_parts) AS compared,
    newest.generation, newest.reason,
    (SELECT generation FROM history_breaks WHERE reason <> 'difference' ORDER BY seq DESC LIMIT 1) AS lineage,
    heartbeat.counter, received_at > pg_postmaster_start_time() AS contacted, pg_postmaster_start_time()::text AS started,
    ${SUBSCRIPTION_STATE} AS subscription,
    refused.*
  FROM heartbeat
  LEFT JOIN (SELECT generation, reason FROM history_breaks ORDER BY seq DESC LIMIT 1) AS newest ON true
  CROSS JOIN (
    SELECT coalesce(array_agg(bucket) FILTER (WHERE kind = 'keys'), '{}') AS keys,
      coalesce(array_agg(bucket) FILTER (WHERE kind = 'roles'), '{}') AS roles,
      count(*) FILTER (WHERE state = 'unverified')::int AS unverified
    FROM compared_buckets WHERE state IN ('diverged', 'unverified')
  ) AS refused`;

/**
 * Follows the `changes` table of a logical replica. NOTIFY only wakes the reader; the table is authoritative. Its seq
 * order is commit order (see the migration), so a reader at seq N has missed no change before N.
 */
export class ListenSource extends ConnectedSource {
  readonly #now: () => number;
  /** The last row that was read. Its time distinguishes it from a row with the same seq after a restore. */
  #last = { seq: '0', at: '' };
  #mustCheckDivergence = false;

  constructor(url: string, options: FeedConnectionOptions, now: () => number) {
    super(url, options);
    this.#now = now;
  }

  protected override async prepare(): Promise<void> {
    await this.query('LISTEN iam_changes');
    await this.reportPooler();
    this.#mustCheckDivergence = true;
  }

  /** Reads backwards in pages, so that each query stays short after a flood of changes. */
  override async readBacklog(
    windowMs: number,
    limit: number,
  ): Promise<{ changes: Change[]; trustedSinceMs: number }> {
    const last = await this.#readNewest();
    const changes: Change[] = [];
    let complete = false;
    let before = String(Number(last.seq) + 1);
    let transaction = '';
    while (!complete && changes.length < limit) {
      const rows = await this.query<BacklogRow>(
        `SELECT seq, entity, id, version, xmin::text AS transaction,
                at > clock_timestamp() - make_interval(secs => $1) AS recent
         FROM changes WHERE seq < $2 ORDER BY seq DESC LIMIT $3`,
        [windowMs / 1_000, before, BACKLOG_PAGE_ROWS],
      );
      for (const row of rows) {
        // All rows of a transaction become visible at its commit, even rows that it wrote before the window.
        complete ||= !row.recent && row.transaction !== transaction;
        // Nothing that is cached in the current history is older than its beginning.
        complete ||= row.entity === 'history';
        if (complete) break;
        transaction = row.transaction;
        before = row.seq;
        if (isChange(row)) changes.push(toChange(row));
      }
      complete ||= rows.length < BACKLOG_PAGE_ROWS;
    }
    this.#last = last;
    this.#mustCheckDivergence = false;
    const nowMs = this.#now();
    return {
      changes: changes.reverse(),
      trustedSinceMs: complete ? nowMs - windowMs : nowMs + CLOCK_SKEW_MS,
    };
  }

  override async read(): Promise<Batch> {
    if (this.#mustCheckDivergence) {
      const diverged = await this.#hasDiverged();
      this.#mustCheckDivergence = false;
      if (diverged) return { changes: [{ entity: 'everything' }], more: true };
    }
    const { rows, replicaTimeMs } = await this.queryWithClock<ChangeRow>(
      'SELECT seq, at::text, entity, id, version FROM changes WHERE seq > $1 ORDER BY seq LIMIT $2',
      'seq',
      [this.#last.seq, BATCH_ROWS],
    );
    this.#last = rows.at(-1) ?? this.#last;
    return {
      changes: rows.filter(isChange).map(toChange),
      more: rows.length === BATCH_ROWS,
      hasNewEvidence: !rows.every(isChange),
      replicaTimeMs,
    };
  }

  override async lag(): Promise<Lag | undefined> {
    // The age by the clock of one server: that of the primary may differ.
    const [row] = await this.query<LagRow>(LAG);
    return (
      row && {
        applySeconds: Number(row.apply),
        heartbeatAgeSeconds: Number(row.age),
        complete: row.complete,
        divergedBuckets: row.keys.length + row.roles.length - row.unverified,
        comparisonAgeSeconds: row.compared === null ? undefined : Number(row.compared),
        evidence: {
          generation: row.generation,
          lineage: row.lineage,
          counter: Number(row.counter),
          beatAgeSeconds: Number(row.apply) + Number(row.age),
          isContacted: row.contacted,
          serverStartedAt: row.started,
          keyBuckets: row.keys,
          roleBuckets: row.roles,
          unverifiedBuckets: row.unverified,
        },
        breakReason: row.reason,
        subscription: row.subscription,
      }
    );
  }

  /**
   * Whether the last row that was read is gone or is another row now. The replica was then restored from a backup (and
   * may have passed the same seq again), or the row was pruned during a long disconnect.
   */
  async #hasDiverged(): Promise<boolean> {
    const [row] = await this.query<{ at: string }>('SELECT at::text FROM changes WHERE seq = $1', [
      this.#last.seq,
    ]);
    if (row?.at === this.#last.at) return false;
    this.#last = await this.#readNewest();
    return true;
  }

  async #readNewest(): Promise<Position> {
    const [row] = await this.query<Position>('SELECT seq, at::text FROM changes ORDER BY seq DESC LIMIT 1');
    return row ?? { seq: '0', at: '' };
  }
}

/** The other rows say that the evidence has changed. */
function isChange({ entity }: { entity: string }): boolean {
  return entity !== 'history' && entity !== 'buckets';
}

function toChange({ entity, id, version }: Omit<ChangeRow, 'at'>): Change {
  return changeOf(entity, id, version);
}
