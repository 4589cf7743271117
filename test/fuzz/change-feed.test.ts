import fc from 'fast-check';
import { expect } from 'vitest';
import type { Change } from '../../src/keys/change-feed/change.ts';
import type { FeedConnection } from '../../src/keys/change-feed/feed-connection.ts';
import { ListenSource } from '../../src/keys/change-feed/listen-source.ts';
import { PollSource } from '../../src/keys/change-feed/poll-source.ts';
import { RecentChanges } from '../../src/keys/change-feed/recent-changes.ts';
import { fuzz } from './support/fuzz.ts';
import { hostileText } from './support/inputs.ts';

const NOW_MS = 1_800_000_000_000;
const MAX_BIGINT = 2n ** 63n - 1n;

/** Any bigint of Postgres, most of them near the limits. */
const version = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt({ min: 0n, max: 1_000n }) },
  { weight: 2, arbitrary: fc.bigInt({ min: 2n ** 53n - 3n, max: 2n ** 53n + 3n }) },
  { weight: 1, arbitrary: fc.bigInt({ min: MAX_BIGINT - 2n, max: MAX_BIGINT }) },
  { weight: 1, arbitrary: fc.bigInt({ min: -MAX_BIGINT, max: -1n }) },
);
const id = fc.oneof(fc.constantFrom('k1', 'k2', '["org", "security", "soc"]'), hostileText);
const change = fc.record({
  entity: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('key', 'roles') },
    { weight: 2, arbitrary: fc.constantFrom('history', 'buckets', 'everything') },
    { weight: 1, arbitrary: hostileText },
  ),
  id,
  version: version.map(String),
});
type Row = { entity: string; id: string; version: string };

const isComparable = ({ version }: Row) =>
  BigInt(version) >= 0n && BigInt(version) <= Number.MAX_SAFE_INTEGER;

function newChanges(): RecentChanges {
  const changes = new RecentChanges(() => NOW_MS, { ttlMs: 60_000, maxEntries: 1_000 });
  changes.startAt(0);
  return changes;
}

/** Every changed row is fenced by its own version, or every earlier copy counts as old; other keys keep their copies. */
function expectFenced(rows: readonly Row[], reported: readonly Change[]): 'exact' | 'everything' {
  const changes = newChanges();
  for (const each of reported) changes.apply(each);
  const everything = changes.trustedSinceMs > 0;
  for (const row of rows) {
    if (row.entity === 'key' && isComparable(row))
      expect(changes.keyVersion(row.id)).toBeGreaterThanOrEqual(Number(row.version));
    else if (row.entity === 'roles' && isComparable(row))
      expect(changes.rolesMark(row.id)).toBeGreaterThan(0);
    else if (row.entity !== 'history' && row.entity !== 'buckets') expect(everything).toBe(true);
  }
  const known = new Set(rows.map((row) => row.id));
  for (const each of reported) {
    if (each.entity !== 'key' && each.entity !== 'roles') continue;
    expect(known).toContain(each.id);
    expect(rows.map(({ entity, id, version }) => `${entity} ${id} ${version}`)).toContain(
      `${each.entity} ${each.id} ${each.version}`,
    );
  }
  return everything ? 'everything' : 'exact';
}

const options = { connectTimeoutMs: 1_000, queryTimeoutMs: 1_000 };

/** A connection that returns the rows of each statement. Postgres refuses a parameter beyond bigint. */
function connection(respond: (text: string, values: readonly unknown[]) => unknown[]): FeedConnection {
  const query = async (text: string, values: readonly unknown[] = []) => {
    for (const value of values.flat()) {
      if (typeof value === 'number') expect(Number.isSafeInteger(value) || text.includes('secs')).toBe(true);
    }
    return respond(text, values);
  };
  return { query, pooled: Promise.resolve(false), close: () => {} } as unknown as FeedConnection;
}

fuzz(
  'fences each row of a logical replica that changed, and no other',
  fc.tuple(fc.array(change, { maxLength: 6 }), fc.boolean()),
  async ([rows, fromBacklog]) => {
    const stored = rows.map((row, at) => ({
      ...row,
      seq: String(at + 1),
      at: `time ${at}`,
      recent: true,
      transaction: '1',
    }));
    const source = new ListenSource('', options, () => NOW_MS);
    await source.take(
      connection((text) => {
        if (text.includes('replica_time'))
          return [...stored, ...(stored.length === 0 ? [{ seq: null }] : [])].map((row) => ({
            ...row,
            replica_time: '1',
          }));
        if (text.includes('DESC LIMIT 1')) return stored.slice(-1);
        return text.includes('transaction') ? stored.toReversed() : [];
      }),
    );
    if (fromBacklog) {
      const { changes } = await source.readBacklog(60_000, 1_000);
      // Nothing before a break of the history is of use.
      const from = rows.findLastIndex(({ entity }) => entity === 'history') + 1;
      return expectFenced(rows.slice(from), changes);
    }
    // The first read of a connection looks for another history.
    const first = await source.read();
    expect(first.changes.every(({ entity }) => entity === 'everything') || stored.length === 0).toBe(true);
    const { changes, hasNewEvidence } = await source.read();
    expect(hasNewEvidence).toBe(rows.some(({ entity }) => entity === 'history' || entity === 'buckets'));
    return expectFenced(rows, changes);
  },
  { exact: 0.1, everything: 0.1 },
);

const HORIZON = { oldest: '10', next: '10', wal: '100', replica_time_ms: String(NOW_MS) };

fuzz(
  'fences each row of a physical standby that changed, and no other',
  fc.tuple(
    version,
    fc.array(
      fc.array(fc.record({ entity: fc.constantFrom('key', 'roles'), id, version }), { maxLength: 4 }),
      {
        minLength: 1,
        maxLength: 3,
      },
    ),
    fc.constantFrom('9', '10'),
  ),
  async ([newest, reads, oldest]) => {
    const horizon = { ...HORIZON, oldest };
    let pending: { entity: string; id: string; version: bigint }[] = [];
    const source = new PollSource('', options, () => NOW_MS);
    await source.take(
      connection((text, [highest]) => {
        if (text.includes('AS standby')) return [{ standby: true }];
        if (text.includes('coalesce(greatest'))
          return [{ ...horizon, version: String(newest > 2n ** 53n - 1n ? 0n : newest < 0n ? 0n : newest) }];
        if (text.includes('unnest')) return [];
        const rows = pending.filter(({ version }) => version > BigInt(highest as number));
        return (rows.length === 0 ? [{ entity: null, id: '', version: '' }] : rows).map((row) => ({
          ...horizon,
          ...row,
          version: String(row.version),
        }));
      }),
    );
    await source.readBacklog();
    let highest = newest > 2n ** 53n - 1n || newest < 0n ? 0n : newest;
    const outcomes: string[] = [];
    for (const rows of reads) {
      pending = rows;
      const { changes } = await source.read();
      const due = rows.filter(({ version }) => version > highest);
      outcomes.push(
        expectFenced(
          due.map((row) => ({ ...row, version: String(row.version) })),
          changes,
        ),
      );
      for (const { version } of due)
        if (version <= Number.MAX_SAFE_INTEGER && version > highest) highest = version;
    }
    return outcomes.includes('everything') ? 'everything' : 'exact';
  },
  { exact: 0.1, everything: 0.1 },
);
