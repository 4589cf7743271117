import { type Change, changeOf } from './change.ts';
import { BATCH_ROWS, type Batch, CLOCK_SKEW_MS, type Lag } from './change-source.ts';
import { ConnectedSource, type FeedConnectionOptions } from './feed-connection.ts';
import { VersionGaps } from './version-gaps.ts';

/** More gaps make a poll slow. They grow while a transaction stays open and others leave versions unused. */
const MAX_GAPS = 1_000;

const NOT_A_STANDBY =
  'FEED_MODE=poll needs a physical standby of the primary; set FEED_MODE to auto, or to listen for a logical replica';

interface ChangeRow {
  entity: 'key' | 'roles';
  id: string;
  version: string;
}

interface LagRow {
  age: string;
  nonce: string;
  counter: string;
  contacted: boolean;
  started: string;
}

/** Transactions at the time of a statement's snapshot. */
interface Horizon {
  /** No transaction with a lower id is running. */
  oldest: string;
  /** At least the next transaction id that the replica expects. */
  next: string;
  /** At least the position of the snapshot in the WAL. */
  wal: string;
  /** The replica's clock. */
  replica_time_ms: string;
}

interface PolledRow extends Horizon {
  /** NULL if no row is new. */
  entity: ChangeRow['entity'] | null;
  id: string;
  version: string;
}

/**
 * One snapshot and what it knows of transactions. On a standby, the list of running transactions in the snapshot is empty,
 * but its bounds are right. `xmax` is not above every running transaction, but the counter behind `age` is.
 */
const HORIZON = `
  SELECT pg_snapshot_xmin(snapshot)::text AS oldest,
    (pg_snapshot_xmax(snapshot)::text::bigint + age(pg_snapshot_xmax(snapshot)::xid))::text AS next,
    (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0')::text AS wal,
    extract(epoch FROM clock_timestamp()) * 1000 AS replica_time_ms
  FROM pg_current_snapshot() AS snapshot`;

/** Higher versions, which only a broken sequence assigns, are no position: the source could not compare them. */
const HIGHEST = `coalesce(greatest(
  (SELECT max(version) FROM api_keys WHERE version <= ${Number.MAX_SAFE_INTEGER}),
  (SELECT max(version) FROM roles WHERE version <= ${Number.MAX_SAFE_INTEGER})), 0)`;

/** @param where condition on the rows of both tables; @param limit parameter with the maximum number of rows */
const selectChanged = (where: string, limit: string) => `
  SELECT 'key' AS entity, id, version FROM api_keys WHERE ${where}
  UNION ALL
  SELECT 'roles', json_build_array(organization_id, project_type, project_id)::text, version FROM roles WHERE ${where}
  ORDER BY version LIMIT ${limit}`;

/**
 * Follows a physical standby, which is read-only and supports neither LISTEN nor triggers that fill `changes`. The
 * source polls rows by version. A transaction with a lower version may commit later, however long it takes. So the
 * source looks for each missing version until every transaction that may have it has ended; docs/adr/0013 has the
 * argument. A change arrives with the delay of the poll interval.
 *
 * Not safe for hard-deleted rows: they leave no version behind. The login of the control plane cannot delete.
 */
export class PollSource extends ConnectedSource {
  readonly #now: () => number;
  /** Every version up to it was reported, or is in a gap, or has no row any more, or is unknown; see `#unknownBefore`. */
  #highest = 0;
  readonly #gaps = new VersionGaps();
  /** Transactions with a lower id may have versions up to `#highest` that are in no gap: the source is behind. */
  #unknownBefore: number | undefined;
  #wal = 0n;
  #mustCheckDivergence = false;

  constructor(url: string, options: FeedConnectionOptions, now: () => number) {
    super(url, options);
    this.#now = now;
  }

  protected override async prepare(): Promise<void> {
    // The transactions of a logical replica are not those of the primary, so they say nothing about its versions.
    const [row] = await this.query<{ standby: boolean }>(
      `SELECT to_regclass('public.version_seq') IS NOT NULL AS standby`,
    );
    if (row?.standby !== true) throw new Error(NOT_A_STANDBY);
    this.#mustCheckDivergence = true;
  }

  /**
   * Returns no changes: copies that other pods read before this moment must be checked before use. A row contains the
   * time of its change on the primary, not of its arrival on this standby, so no window of rows proves a copy fresh.
   */
  override async readBacklog(): Promise<{ changes: Change[]; trustedSinceMs: number }> {
    const { version, horizon } = await this.#readPosition();
    this.#startAt(version, horizon);
    this.#mustCheckDivergence = false;
    return { changes: [], trustedSinceMs: this.#now() + CLOCK_SKEW_MS };
  }

  override async read(): Promise<Batch> {
    if (this.#mustCheckDivergence) {
      const diverged = await this.#hasDiverged();
      this.#mustCheckDivergence = false;
      if (diverged) return { changes: [{ entity: 'everything' }], more: true };
    }
    const polled = await this.query<PolledRow>(
      `SELECT horizon.*, changed.* FROM (${HORIZON}) AS horizon
       LEFT JOIN (${selectChanged('version > $1', '$2')}) AS changed ON true`,
      [this.#highest, BATCH_ROWS],
    );
    // After the first query, so that its snapshot shows every transaction that had ended by then.
    const late = await this.#readGaps();
    // From here on nothing can fail, so every change that the position moves past is returned.
    const { oldest, next, wal, replicaTimeMs } = horizonOf(polled);
    const all = polled.filter(isChange).sort((a, b) => Number(a.version) - Number(b.version));
    const rows = all.filter(({ version }) => Number.isSafeInteger(Number(version)));
    this.#wal = wal;
    this.#gaps.fill(late.map((row) => Number(row.version)));
    if (late.length < BATCH_ROWS) this.#gaps.forget(oldest);
    for (const row of rows) this.#advance(Number(row.version), { oldest, next });
    const changes = [...late, ...rows].map(toChange);
    if (rows.length < all.length) changes.unshift({ entity: 'everything' });
    if (this.#unknownBefore !== undefined && this.#unknownBefore <= oldest) {
      this.#unknownBefore = undefined;
      changes.unshift({ entity: 'everything' });
    }
    if (this.#gaps.size > MAX_GAPS) {
      this.#gaps.clear();
      this.#unknownBefore = next;
    }
    return {
      changes,
      more: Math.max(late.length, rows.length) === BATCH_ROWS,
      behind: this.#unknownBefore !== undefined,
      replicaTimeMs,
    };
  }

  override async lag(): Promise<Lag | undefined> {
    const [row] = await this.query<LagRow>(
      `SELECT extract(epoch FROM clock_timestamp() - beat_at) AS age, nonce, counter,
         beat_at > pg_postmaster_start_time() AS contacted, pg_postmaster_start_time()::text AS started FROM heartbeat`,
    );
    return (
      row && {
        applySeconds: Number(row.age),
        heartbeatAgeSeconds: Number(row.age),
        complete: true,
        // A standby copies pages, so it has the history of its primary, and nothing is compared.
        evidence: {
          generation: row.nonce,
          counter: Number(row.counter),
          beatAgeSeconds: Number(row.age),
          isContacted: row.contacted,
          serverStartedAt: row.started,
          keyBuckets: [],
          roleBuckets: [],
          unverifiedBuckets: 0,
        },
      }
    );
  }

  /** Rows that have appeared in the gaps. */
  async #readGaps(): Promise<ChangeRow[]> {
    if (this.#gaps.size === 0) return [];
    const { firsts, lasts } = this.#gaps.ranges;
    return await this.query<ChangeRow>(
      `SELECT late.* FROM unnest($1::bigint[], $2::bigint[]) AS gap (first, last)
       CROSS JOIN LATERAL (${selectChanged('version BETWEEN first AND last', '$3')}) AS late
       LIMIT $3`,
      [firsts, lasts, BATCH_ROWS],
    );
  }

  /** @param horizon of the snapshot that shows the version */
  #advance(version: number, { oldest, next }: { oldest: number; next: number }): void {
    // Without a running transaction, a version that the snapshot does not show will never appear.
    if (version > this.#highest + 1 && oldest < next) this.#gaps.add(this.#highest + 1, version - 1, next);
    this.#highest = version;
  }

  /** The position of a snapshot. Transactions that were running may have any version up to it. */
  #startAt(version: number, { oldest, next, wal }: ReturnType<typeof horizonOf>): void {
    this.#highest = version;
    this.#gaps.clear();
    this.#unknownBefore = oldest < next ? next : undefined;
    this.#wal = wal;
  }

  /**
   * Whether the replica shows an earlier state than the last read: it was restored from a backup, or is another standby
   * that lags. Then the source starts again.
   */
  async #hasDiverged(): Promise<boolean> {
    const { version, horizon } = await this.#readPosition();
    if (version >= this.#highest && horizon.wal >= this.#wal) return false;
    this.#startAt(version, horizon);
    return true;
  }

  async #readPosition() {
    const rows = await this.query<Horizon & { version: string }>(
      `SELECT horizon.*, ${HIGHEST} AS version FROM (${HORIZON}) AS horizon`,
    );
    return { version: Number(rows[0]?.version), horizon: horizonOf(rows) };
  }
}

function horizonOf([row]: Horizon[]) {
  if (row === undefined) throw new Error('the replica returned no snapshot');
  return {
    oldest: Number(row.oldest),
    next: Number(row.next),
    wal: BigInt(row.wal),
    replicaTimeMs: Number(row.replica_time_ms),
  };
}

function isChange(row: PolledRow): row is PolledRow & ChangeRow {
  return row.entity !== null;
}

function toChange({ entity, id, version }: ChangeRow): Change {
  return changeOf(entity, id, version);
}
