import type { Change } from './change.ts';
import { BATCH_ROWS, type Batch, CLOCK_SKEW_MS, type Lag } from './change-source.ts';
import { ConnectedSource, type FeedConnectionOptions } from './feed-connection.ts';

/**
 * Maximum time on the primary from the assignment of a version to the commit of its transaction. The source looks for
 * a skipped version for so long.
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

/** @param where condition on the rows of both tables */
const selectChanged = (where: string) => `
  SELECT 'key' AS entity, id, version FROM api_keys WHERE ${where}
  UNION ALL
  SELECT 'roles', json_build_array(organization_id, project_type, project_id)::text, version FROM roles WHERE ${where}`;

/**
 * Follows a physical standby, which is read-only and supports neither LISTEN nor triggers that fill `changes`. The
 * source polls rows by version. It keeps looking for a missing version for a while, since a transaction with a lower
 * version may commit later. A change arrives with the delay of the poll interval.
 *
 * Not safe for hard-deleted rows: they leave no version behind. The login of the control plane cannot delete.
 */
export class PollSource extends ConnectedSource {
  readonly #now: () => number;
  #highest = 0;
  /** Versions below the highest that no row has had yet: their transaction commits late, or was overwritten. */
  #gaps: Gap[] = [];
  #mustCheckDivergence = false;

  constructor(url: string, options: FeedConnectionOptions, now: () => number) {
    super(url, options);
    this.#now = now;
  }

  protected override async prepare(): Promise<void> {
    this.#mustCheckDivergence = true;
  }

  /**
   * Returns no changes: copies that other pods read before this moment must be checked before use. A row contains the
   * time of its change on the primary, not of its arrival on this standby, so no window of rows proves a copy fresh.
   */
  override async readBacklog(): Promise<{ changes: Change[]; trustedSinceMs: number }> {
    // The overlap ends at the newest row, not now: a lagging standby will still receive rows that are older than now.
    const [oldEnough] = await this.query<{ version: string | null }>(
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
    this.#mustCheckDivergence = false;
    return { changes: [], trustedSinceMs: this.#now() + CLOCK_SKEW_MS };
  }

  override async read(): Promise<Batch> {
    if (this.#mustCheckDivergence) {
      const diverged = await this.#hasDiverged();
      this.#mustCheckDivergence = false;
      if (diverged) return { changes: [{ entity: 'everything' }], more: true };
    }
    const startedAtMs = this.#now();
    // Gaps first: a version that the second query skips was not committed before it.
    const late = await this.#readGaps();
    const { rows, replicaTimeMs } = await this.queryWithClock<ChangeRow>(
      `${selectChanged('version > $1')} ORDER BY version LIMIT $2`,
      'version',
      [this.#highest, BATCH_ROWS],
    );
    // From here on nothing can fail, so every change that the position moves past is returned.
    const more = Math.max(late.length, rows.length) === BATCH_ROWS;
    for (const row of late) this.#closeGap(Number(row.version));
    if (!more) this.#gaps = this.#gaps.filter((gap) => gap.sinceMs > startedAtMs - OVERLAP_MS);
    for (const row of rows) this.#advance(Number(row.version), startedAtMs);
    return { changes: [...late, ...rows].map(toChange), more, replicaTimeMs };
  }

  override async lag(): Promise<Lag | undefined> {
    const [row] = await this.query<{ age: string }>(
      'SELECT extract(epoch FROM clock_timestamp() - beat_at) AS age FROM heartbeat',
    );
    return row && { applySeconds: Number(row.age), heartbeatAgeSeconds: Number(row.age), complete: true };
  }

  /** Rows that have appeared in the gaps. */
  async #readGaps(): Promise<ChangeRow[]> {
    if (this.#gaps.length === 0) return [];
    return await this.query<ChangeRow>(
      `SELECT late.* FROM unnest($1::bigint[], $2::bigint[]) AS gap (first, last)
       CROSS JOIN LATERAL (${selectChanged('version BETWEEN first AND last')}) AS late
       LIMIT $3`,
      [this.#gaps.map(({ first }) => first), this.#gaps.map(({ last }) => last), BATCH_ROWS],
    );
  }

  #advance(version: number, sinceMs: number): void {
    if (version > this.#highest + 1) {
      this.#gaps.push({ first: this.#highest + 1, last: version - 1, sinceMs });
    }
    this.#highest = version;
  }

  #closeGap(version: number): void {
    this.#gaps = this.#gaps.flatMap((gap) => {
      if (version < gap.first || version > gap.last) return [gap];
      const around = [
        { ...gap, last: version - 1 },
        { ...gap, first: version + 1 },
      ];
      return around.filter(({ first, last }) => first <= last);
    });
  }

  /** Versions only grow, unless the primary was restored from a backup: then the source starts again. */
  async #hasDiverged(): Promise<boolean> {
    const [row] = await this.query<{ version: string | null }>(
      'SELECT greatest((SELECT max(version) FROM api_keys), (SELECT max(version) FROM roles)) AS version',
    );
    if (Number(row?.version ?? 0) >= this.#highest) return false;
    await this.readBacklog();
    return true;
  }
}

function toChange(row: ChangeRow): Change {
  return { entity: row.entity, id: row.id, version: Number(row.version) };
}
