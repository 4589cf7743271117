import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { hashSecret } from '../../../src/credential/hash.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { type IssuedKey, insertKey, TEST_HASH_PARAMETERS } from '../../support/keys.ts';
import { metric, outcome } from '../../support/pods.ts';
import { authenticate } from '../../support/regional.ts';
import { type ShiftedPod, startShiftedPod } from '../../support/shifted-pod.ts';

vi.setConfig({ testTimeout: 90_000 });

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const EXPIRED = '401 0xE436AE';
const MISSING = '401 0x28D520';
const UNDECIDABLE = '503 0x1A8503';
const LONG = { timeout: 20_000, interval: 20 };

let databases: TestDatabases;
let pod: ShiftedPod | undefined;
beforeAll(async () => {
  databases = await createDatabases();
});
afterEach(async () => {
  await pod?.stop();
  pod = undefined;
});
afterAll(() => databases?.close());

const inMs = (ms: number) => new Date(Date.now() + ms);

/** A key whose secret was rotated: it is accepted until the end of a grace period. */
async function rotatedKey(graceMs: number): Promise<IssuedKey> {
  const key = await insertKey(databases.primary);
  await databases.primary.query(
    `UPDATE api_keys SET previous_secret_hash = secret_hash, secret_hash = $2, previous_secret_expires_at = $3 WHERE id = $1`,
    [key.id, await hashSecret('the new secret', TEST_HASH_PARAMETERS), inMs(graceMs)],
  );
  return key;
}

async function startPod(offsetMs: number): Promise<ShiftedPod> {
  pod = await startShiftedPod(offsetMs, databases.replicaUrl, { CACHE_MAX_ENTRIES: '20000' });
  await expect.poll(() => metric(pod as ShiftedPod, 'iam_clock_offset_seconds'), LONG).not.toBeNaN();
  await expect.poll(() => metric(pod as ShiftedPod, 'iam_replica_complete'), LONG).toBe(1);
  return pod;
}

async function setClock(offsetMs: number): Promise<void> {
  await pod?.setClock(offsetMs);
  await expect
    .poll(() => metric(pod as ShiftedPod, 'iam_clock_offset_seconds'), LONG)
    .toSatisfy((seconds) => Math.abs(Number(seconds) * 1_000 - offsetMs) < 1_000);
}

const ask = async (key: IssuedKey) => outcome(await authenticate(pod as ShiftedPod, key.authorization));

async function outcomes(keys: Record<string, IssuedKey>): Promise<Record<string, string>> {
  const found = await Promise.all(
    Object.entries(keys).map(async ([name, key]) => [name, await ask(key)] as const),
  );
  return Object.fromEntries(found);
}

/** Keys and old secrets that are valid, or no longer, by the right clock, near and far. */
async function keysAround(): Promise<Record<string, IssuedKey>> {
  const keys = {
    'without expiry': await insertKey(databases.primary),
    'expires in 10 min': await insertKey(databases.primary, { expiresAt: inMs(10 * MINUTE_MS) }),
    'expires in 2 h': await insertKey(databases.primary, { expiresAt: inMs(2 * HOUR_MS) }),
    'expired 10 min ago': await insertKey(databases.primary, { expiresAt: inMs(-10 * MINUTE_MS) }),
    'expired 2 h ago': await insertKey(databases.primary, { expiresAt: inMs(-2 * HOUR_MS) }),
    'old secret until in 10 min': await rotatedKey(10 * MINUTE_MS),
    'old secret until in 2 h': await rotatedKey(2 * HOUR_MS),
    'old secret until 10 min ago': await rotatedKey(-10 * MINUTE_MS),
    'old secret until 2 h ago': await rotatedKey(-2 * HOUR_MS),
  };
  await databases.replicated();
  return keys;
}

const RIGHT = {
  'without expiry': '200',
  'expires in 10 min': '200',
  'expires in 2 h': '200',
  'expired 10 min ago': EXPIRED,
  'expired 2 h ago': EXPIRED,
  'old secret until in 10 min': '200',
  'old secret until in 2 h': '200',
  'old secret until 10 min ago': MISSING,
  'old secret until 2 h ago': MISSING,
};
const AHEAD = { ...RIGHT, 'expires in 10 min': UNDECIDABLE, 'old secret until in 10 min': UNDECIDABLE };
const BEHIND = { ...RIGHT, 'expired 10 min ago': UNDECIDABLE, 'old secret until 10 min ago': UNDECIDABLE };

describe('a pod whose clock is beyond the tolerance accepts no expired key, and refuses no valid one as expired', () => {
  it('after steps by an hour, with warm keys', async () => {
    const keys = await keysAround();
    await startPod(0);
    expect(await outcomes(keys)).toEqual(RIGHT);
    await setClock(HOUR_MS);
    expect(await outcomes(keys), 'ahead').toEqual(AHEAD);
    await setClock(-HOUR_MS);
    expect(await outcomes(keys), 'behind').toEqual(BEHIND);
    await setClock(0);
    expect(await outcomes(keys), 'right again').toEqual(RIGHT);
  });

  it.each([
    ['ahead', HOUR_MS, AHEAD],
    ['behind', -HOUR_MS, BEHIND],
  ])('from its start, an hour %s', async (_name, offsetMs, expected) => {
    const keys = await keysAround();
    await startPod(offsetMs);
    expect(await outcomes(keys)).toEqual(expected);
  });
});

it.each([-4_000, 4_000])(
  'a step of %i ms, within the tolerance, does not move the expiry of a warm key or of an old secret',
  async (offsetMs) => {
    await startPod(0);
    const lifeMs = 8_000;
    const expiresAtMs = Date.now() + lifeMs;
    const key = await insertKey(databases.primary, { expiresAt: new Date(expiresAtMs) });
    const rotated = await rotatedKey(expiresAtMs - Date.now());
    await databases.replicated();
    await expect.poll(() => outcomes({ key, rotated }), LONG).toEqual({ key: '200', rotated: '200' });
    await pod?.setClock(offsetMs);
    await sleep(100);
    const lastAcceptedMs = { key: 0, rotated: 0 };
    const refusedMs = { key: 0, rotated: 0 };
    while (refusedMs.key === 0 || refusedMs.rotated === 0) {
      for (const [name, one] of Object.entries({ key, rotated }) as ['key' | 'rotated', IssuedKey][]) {
        const askedAtMs = Date.now();
        const result = await ask(one);
        if (result === '200') lastAcceptedMs[name] = askedAtMs - expiresAtMs;
        else {
          expect(result).toBe(name === 'key' ? EXPIRED : MISSING);
          refusedMs[name] ||= Date.now() - expiresAtMs;
        }
      }
    }
    // Both servers and this test have the same clock.
    for (const name of ['key', 'rotated'] as const) {
      expect(lastAcceptedMs[name]).toBeLessThan(500);
      expect(refusedMs[name]).toBeGreaterThan(-500);
    }
    console.log(
      `[figure] expiry with a clock set by ${offsetMs} ms: key accepted until ${lastAcceptedMs.key} ms, old secret until ${lastAcceptedMs.rotated} ms after its expiry`,
    );
  },
);
