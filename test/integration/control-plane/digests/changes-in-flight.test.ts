import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Queries } from '../../../../src/control-plane/database.ts';
import { type ClaimedPart, publishPart } from '../../../../src/control-plane/digests/parts.ts';
import { createDatabases, type TestDatabases } from '../../../support/databases.ts';
import { insertKeys } from '../../../support/many-keys.ts';

/** No control plane runs here: the tests decide what commits between the snapshot of a digest and its commit. */
let databases: TestDatabases;
let part: number;
let bucket: number;
/** In one bucket. */
let keys: [string, string, string];
beforeAll(async () => {
  databases = await createDatabases();
  await insertKeys(databases.primary, 3_000);
  const { rows } = await databases.primary.query(
    'SELECT bucket, array_agg(id) AS ids FROM api_keys GROUP BY bucket HAVING count(*) >= 3 LIMIT 1',
  );
  bucket = rows[0].bucket;
  keys = rows[0].ids.slice(0, 3);
  part = Math.floor(bucket / 32);
});
afterAll(async () => {
  await databases?.close();
});
beforeEach(async () => {
  await publish();
  await publish();
  expect(await state()).toBe('matching');
});

const nothing = async () => {};

/** Publishes the digest of the part. @param between runs after the snapshot, before the commit */
async function publish(between: () => Promise<unknown> = nothing, afterClaim = nothing): Promise<void> {
  const { rows } = await databases.primary.query<ClaimedPart>(
    'UPDATE digests SET claim = claim + 1 WHERE part = $1 RETURNING part, kind, first_bucket, claim',
    [part],
  );
  await afterClaim();
  const client = await databases.primary.connect();
  const transaction: Queries = {
    query: async (text, values = []) => (await client.query(text, values as unknown[])).rows,
    onEvent: () => {},
  };
  await client.query('BEGIN');
  await publishPart(transaction, rows[0] as ClaimedPart);
  await between();
  await client.query('COMMIT');
  client.release();
  await databases.replicated();
}

async function state(): Promise<string | undefined> {
  const { rows } = await databases.region.query(
    "SELECT state FROM compared_buckets WHERE kind = 'keys' AND bucket = $1",
    [bucket],
  );
  // A bucket that always matched has no row.
  return rows[0]?.state ?? 'matching';
}

const write = (index: 0 | 1 | 2) => () =>
  databases.primary.query("UPDATE api_keys SET description = description || 'x' WHERE id = $1", [
    keys[index],
  ]);

it('a change that the digest lacks makes a bucket suspected, however often, and never diverged', async () => {
  for (const index of [0, 0, 1, 2] as const) {
    await publish(write(index));
    expect(await state()).toBe('suspected');
  }
  await publish();
  expect(await state()).toBe('matching');
  const { rowCount } = await databases.region.query("SELECT FROM changes WHERE entity = 'buckets'");
  expect(rowCount).toBe(0);
});

it('a difference that stays is diverged at the second digest, although the bucket changes all the time', async () => {
  const changing = async () => void (await write(1)());
  await databases.region.query("UPDATE api_keys SET revoked_at = '2020-01-01Z' WHERE id = $1", [keys[0]]);
  await publish(nothing, changing);
  expect(await state()).toBe('suspected');
  await publish(nothing, changing);
  expect(await state()).toBe('diverged');
  await publish(write(2));
  expect(await state(), 'also while the digest lacks a change').toBe('diverged');
  await databases.region.query('UPDATE api_keys SET revoked_at = NULL WHERE id = $1', [keys[0]]);
  await publish();
  expect(await state()).toBe('matching');
});

it('a difference that changes is diverged at the second digest if the bucket was quiet both times', async () => {
  for (const [revokedAt, expected] of [
    ['2020-01-01Z', 'suspected'],
    ['2020-01-02Z', 'diverged'],
  ]) {
    await databases.region.query('UPDATE api_keys SET revoked_at = $2 WHERE id = $1', [keys[0], revokedAt]);
    await publish();
    expect(await state()).toBe(expected);
  }
  await databases.region.query('UPDATE api_keys SET revoked_at = NULL WHERE id = $1', [keys[0]]);
  await publish();
  expect(await state()).toBe('matching');
});

it('after a restore of the primary, a claim with a number that the region knows from the lost history compares nothing', async () => {
  await databases.primary.query('SELECT beat()');
  await databases.primary.query('SELECT beat()');
  // The lost history: the region knows the next claim, and a digest that the primary no longer has.
  await databases.replicated();
  await databases.region.query(
    "UPDATE digests SET claim = claim + 1, published_at = published_at - interval '1 s' WHERE part = $1",
    [part],
  );
  // Written before the first heartbeat of the new epoch, so never sent: the region keeps the former row.
  const former = await databases.region.query('SELECT description, version FROM api_keys WHERE id = $1', [
    keys[0],
  ]);
  await write(0)();
  await databases.replicated();
  await databases.region.query('UPDATE api_keys SET description = $2, version = $3 WHERE id = $1', [
    keys[0],
    former.rows[0].description,
    former.rows[0].version,
  ]);
  await databases.primary.query('UPDATE heartbeat SET epoch = epoch + 1, nonce = $1, counter = counter - 1', [
    'restored',
  ]);
  await databases.replicated();
  expect(await state()).toBe('unverified');

  await databases.primary.query('UPDATE digests SET claim = claim + 1 WHERE part = $1', [part]);
  await databases.replicated();
  expect(await state()).toBe('unverified');
  await publish();
  await publish();
  expect(await state()).toBe('diverged');
  await write(0)();
  await publish();
  expect(await state()).toBe('matching');
});

it('a claim that another process has taken over publishes nothing', async () => {
  await databases.region.query('DELETE FROM api_keys WHERE id = $1', [keys[2]]);
  const takeOver = async () =>
    void (await databases.primary.query('UPDATE digests SET claim = claim + 1 WHERE part = $1', [part]));
  await publish(nothing, takeOver);
  await publish(nothing, takeOver);
  expect(await state()).toBe('matching');
});
