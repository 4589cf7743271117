import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../../../src/database/migrate.ts';
import { insertKey } from '../../support/keys.ts';
import { createPrimary, type TestPrimary } from '../../support/primary.ts';

let primary: TestPrimary;
let thief: pg.Client;
beforeAll(async () => {
  primary = await createPrimary();
  thief = new pg.Client({ connectionString: primary.controlPlaneUrl });
  await thief.connect();
});
afterAll(async () => {
  await thief?.end();
  await primary?.close();
});

async function beat(epoch = 0, counter = 0): Promise<number> {
  const { rows } = await thief.query<{ epoch: number }>('SELECT epoch FROM beat($1, $2)', [epoch, counter]);
  return rows[0]?.epoch ?? -1;
}

describe('the login of the control plane', () => {
  it('begins one epoch per minute, and none far ahead', async () => {
    const now = await beat();
    await expect(beat(8_190)).rejects.toThrow('the caller knows epoch 8190');
    await expect(beat(now + 17)).rejects.toThrow('the caller knows epoch');
    expect(await beat(now + 16)).toBe(now + 17);
    await expect(beat(now + 18)).rejects.toThrow('less than a minute ago');
    await expect(beat(now + 17, 10 ** 12)).rejects.toThrow('less than a minute ago');
    expect(await beat(now)).toBe(now + 17);
  });

  it('begins one epoch, and not another, after the clock went back', async () => {
    const before = await beat();
    await primary.pool.query(
      "UPDATE primary_identity SET claimed_at = clock_timestamp() + interval '1 hour'",
    );
    expect(await beat(before, 10 ** 12)).toBe(before + 1);
    await expect(beat(before + 1, 2 * 10 ** 12)).rejects.toThrow('less than a minute ago');
    const { rows } = await primary.pool.query(
      'SELECT FROM primary_identity WHERE claimed_at <= clock_timestamp()',
    );
    expect(rows).toHaveLength(1);
  });

  it('cannot write when an epoch began', async () => {
    await expect(thief.query("UPDATE primary_identity SET claimed_at = 'infinity'")).rejects.toThrow(
      'permission denied',
    );
  });

  it('leaves a promotion its epoch, also in that minute', async () => {
    const before = await beat();
    await primary.pool.query("UPDATE primary_identity SET timeline = '00000000'");
    expect(await beat(before, 10 ** 12)).toBe(before + 1);
    await insertKey(primary.pool);
  });

  it('cannot use the second half of the epochs, which promotions can', async () => {
    await primary.pool.query(
      "UPDATE heartbeat SET epoch = 4094; UPDATE primary_identity SET claimed_at = '-infinity'",
    );
    await expect(beat(4_095)).rejects.toThrow('the caller knows epoch 4095');
    expect(await beat(4_094, 10 ** 12)).toBe(4_095);
    await primary.pool.query("UPDATE primary_identity SET claimed_at = '-infinity'");
    await expect(beat(4_095, 10 ** 12)).rejects.toThrow('the caller knows epoch 4095');
    await primary.pool.query("UPDATE primary_identity SET timeline = '00000000'");
    expect(await beat()).toBe(4_096);
  });

  it.each(['infinity', '-infinity'])('cannot write the time %s into the heartbeat', async (time) => {
    await expect(thief.query('UPDATE heartbeat SET beat_at = $1', [time])).rejects.toThrow('finite_beat_at');
  });

  it('delays repairs: it can request all buckets, and claim the 32 of each second without publishing them', async () => {
    const count = async (text: string) => Number((await thief.query(text)).rows[0].count);
    const request = (kind: string, buckets: number) =>
      count(
        `SELECT request_repairs('${kind}', array_agg(bucket::smallint), true) AS count FROM generate_series(0, ${buckets - 1}) AS bucket`,
      );
    expect((await request('keys', 1_024)) + (await request('roles', 64))).toBe(1_088);
    const claim = () => count('SELECT count(*) FROM claim_repairs(1088)');
    expect(await claim()).toBe(32);
    expect(await claim(), 'the publisher of the control plane gets none either').toBe(0);
  });

  it('cannot create temporary tables, also in a restored database that is migrated again', async () => {
    // pg_dump without --create restores no permissions of the database.
    await primary.pool.query(
      `GRANT TEMPORARY ON DATABASE ${new URL(primary.url).pathname.slice(1)} TO PUBLIC`,
    );
    await thief.query('CREATE TEMPORARY TABLE any_name ()');
    await migrate(primary.url, 'primary');
    await expect(thief.query('CREATE TEMPORARY TABLE other_name ()')).rejects.toThrow('permission denied');
  });
});

it('functions that run as their owner find no object of the caller', async () => {
  const { rows } = await primary.pool.query<{ name: string; settings: string[] | null }>(
    `SELECT proname AS name, proconfig AS settings FROM pg_proc
     WHERE prosecdef AND pronamespace = 'public'::regnamespace ORDER BY 1`,
  );
  expect(rows.map(({ name }) => name)).toContain('beat');
  for (const { name, settings } of rows) {
    // Postgres looks for tables and types in pg_temp first, unless the path names it.
    expect.soft(settings, name).toContain('search_path=pg_catalog, pg_temp');
  }
});
