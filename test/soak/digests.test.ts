import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startControlPlaneOf, type TestControlPlane } from '../support/control-plane.ts';
import { createDatabases, type TestDatabases } from '../support/databases.ts';
import { insertKeys } from '../support/many-keys.ts';

/** How long the writes last; CI has no time for the 600 s of docs/adr/0014. */
const SECONDS = Number(process.env.SOAK_SECONDS ?? 60);
const WRITES_PER_SECOND = 1_000;
const WRITERS = 8;
const KEYS = 20_000;
const LARGE_TRANSACTION_ROWS = 100_000;
const ALL_PARTS = 34;

/** On a busy machine the region may need as long again to apply the writes. */
vi.setConfig({ testTimeout: 2 * SECONDS * 1_000 + 300_000, hookTimeout: 120_000 });

let databases: TestDatabases;
let controlPlane: TestControlPlane;
let keys: string[];
beforeAll(async () => {
  databases = await createDatabases();
  keys = (await insertKeys(databases.primary, KEYS)).map(({ id }) => id);
  await databases.replicated();
  controlPlane = await startControlPlaneOf(databases);
});
afterAll(async () => {
  await controlPlane?.close();
  await databases?.close();
});

/** Changes of the state `diverged`, in either direction: a bucket that was diverged for a moment leaves two. */
const changesOfBuckets = async () =>
  (await databases.region.query("SELECT FROM changes WHERE entity = 'buckets'")).rowCount ?? 0;

const buckets = async () =>
  (await databases.region.query("SELECT kind, bucket, state FROM compared_buckets WHERE state <> 'matching'"))
    .rows;

/** Waits until the region has compared all parts with digests that were published from now on. */
async function compared(): Promise<void> {
  const { rows } = await databases.primary.query('SELECT clock_timestamp()::text AS now');
  const parts = async () =>
    (
      await databases.region.query(
        'SELECT FROM digests JOIN compared_parts USING (part) WHERE least(published_at, checked_at) > $1::timestamptz',
        [rows[0].now],
      )
    ).rowCount;
  await expect.poll(parts, { timeout: 180_000, interval: 200 }).toBe(ALL_PARTS);
}

it(`reports no difference during ${SECONDS} s of ${WRITES_PER_SECOND} writes per second and one transaction of ${LARGE_TRANSACTION_ROWS} rows`, async () => {
  await compared();
  const startedAtMs = performance.now();
  const endsAtMs = startedAtMs + SECONDS * 1_000;
  let written = 0;
  const write = async (writer: number) => {
    for (let turn = 0; performance.now() < endsAtMs; turn += 1) {
      const id = keys[(turn * WRITERS + writer) % KEYS];
      await databases.primary.query('UPDATE api_keys SET description = $2 WHERE id = $1', [id, `${turn}`]);
      written += 1;
      const aheadMs = (turn * WRITERS * 1_000) / WRITES_PER_SECOND - (performance.now() - startedAtMs);
      if (aheadMs > 5) await pause(aheadMs);
    }
  };
  const writeMuchAtOnce = async () => {
    await pause((SECONDS * 1_000) / 3);
    await databases.primary.query("INSERT INTO organizations (id, name) VALUES ('large', 'large')");
    await databases.primary.query(
      `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, version)
       SELECT gen_random_uuid()::text, 'large', 'large', 'x', '{}', 'user-1', 0 FROM generate_series(1, $1)`,
      [LARGE_TRANSACTION_ROWS],
    );
  };
  let mostSuspected = 0;
  const watch = async () => {
    while (performance.now() < endsAtMs) {
      const found = await buckets();
      mostSuspected = Math.max(mostSuspected, found.length);
      expect(found.filter(({ state }) => state === 'diverged')).toEqual([]);
      await pause(1_000);
    }
  };
  await Promise.all([
    ...Array.from({ length: WRITERS }, (_, writer) => write(writer)),
    writeMuchAtOnce(),
    watch(),
  ]);
  const writtenAtMs = performance.now();
  await databases.replicated();
  const behindSeconds = ((performance.now() - writtenAtMs) / 1_000).toFixed(1);
  await compared();
  await compared();
  console.log(
    `[figure] digests: ${written} writes in ${SECONDS} s (${Math.round(written / SECONDS)} per second) and one transaction of ${LARGE_TRANSACTION_ROWS} rows; diverged buckets 0, suspected for a moment at most ${mostSuspected}; the region was ${behindSeconds} s behind at the end`,
  );
  expect(await changesOfBuckets()).toBe(0);
  expect(await buckets()).toEqual([]);
  expect(written).toBeGreaterThan((SECONDS * WRITES_PER_SECOND) / 5);
});
