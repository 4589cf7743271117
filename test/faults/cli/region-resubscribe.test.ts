import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type AddedRegion, fingerprints, startAddedRegion } from '../../support/added-region.ts';
import { iam } from '../../support/iam.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const NAME = `resubscribe_${randomBytes(4).toString('hex')}`;

let all: AddedRegion;
beforeAll(async () => {
  all = await startAddedRegion(NAME, 10_000);
});
afterAll(() => all?.close());

it('subscribes a region again that has rows but no subscription, and loses no change while others write', async () => {
  await all.region.query(`ALTER SUBSCRIPTION ${NAME} DISABLE`);
  await all.region.query(`ALTER SUBSCRIPTION ${NAME} SET (slot_name = NONE)`);
  await all.region.query(`DROP SUBSCRIPTION ${NAME}`);
  await expect
    .poll(
      async () =>
        (await iam(['region', 'remove', '--region-gone', '--name', NAME, '--yes'], all.settings)).exitCode,
    )
    .toBe(0);
  const refused = await iam(['region', 'add'], all.settings);
  expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('iam region resync')]);
  let writing = true;
  const writes = (async () => {
    for (let n = 0; writing; n += 1) {
      await all.primary.query("UPDATE api_keys SET expires_at = now() WHERE id = 'filler-' || $1", [
        1_000 + (n % 5_000),
      ]);
    }
    return all.primary.query('SELECT 1');
  })();
  const resynced = await iam(['region', 'resync'], all.settings);
  writing = false;
  await writes;
  expect([resynced.exitCode, resynced.stdout, resynced.stderr]).toEqual([
    0,
    expect.stringContaining('new subscription'),
    expect.any(String),
  ]);
  await expect
    .poll(() => fingerprints(all.region), { timeout: 10_000 })
    .toEqual(await fingerprints(all.primary));
});

it('does not rebuild a region while no control plane publishes digests', async () => {
  await all.controlPlane.close();
  await all.region.query(`ALTER SUBSCRIPTION ${NAME} DISABLE`);
  await expect
    .poll(
      async () =>
        (await iam(['region', 'remove', '--region-gone', '--name', NAME, '--yes'], all.settings)).exitCode,
    )
    .toBe(0);
  await expect
    .poll(
      async () =>
        (await all.primary.query("SELECT FROM heartbeat WHERE beat_at < clock_timestamp() - interval '11 s'"))
          .rowCount,
      { timeout: 20_000 },
    )
    .toBe(1);
  const refused = await iam(['region', 'resync'], all.settings);
  expect([refused.exitCode, refused.stderr]).toEqual([4, expect.stringContaining('No control plane runs')]);
});
