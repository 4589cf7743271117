import { expect, it } from 'vitest';
import { RedisKeys } from '../../../../../src/keys/cache/redis/redis-keys.ts';
import type { RedisLink } from '../../../../../src/keys/cache/redis/redis-link.ts';
import { SharedFences } from '../../../../../src/keys/cache/redis/shared-fences.ts';

const ID = 'key-1';
const redisKeys = new RedisKeys([Buffer.alloc(32, 1), Buffer.alloc(32, 2)]);
const names = redisKeys.fences(ID, 'g1');

const digits = (version: number) => version.toString(16).padStart(16, '0');
/** What a pod writes to the fence of the first or second cache key. */
const fence = (index: number, version: number, text = digits(version)) =>
  text + redisKeys.proofs(names, version)[index];

/** The newest version, from what Redis has at both fences; `undefined` if it does not reply. */
function newestOf(...values: (string | null | undefined)[]): Promise<number | undefined> {
  const found = new Map(names.map((name, index) => [name, values[index]]));
  const link = {
    read: async (name: string) => {
      const value = found.get(name);
      return typeof value === 'string' ? Buffer.from(value) : value;
    },
  } as unknown as RedisLink;
  const changes = { lineage: 'g1' };
  const clock = { isRight: false };
  const fences = new SharedFences({ link, redisKeys, now: () => 0, clock, changes, ttlMs: 1 });
  return fences.newestVersion(ID);
}

it('is the highest version at the fences of all cache keys', async () => {
  expect(await newestOf(fence(0, 7), null)).toBe(7);
  expect(await newestOf(null, fence(1, 7))).toBe(7);
  expect(await newestOf(fence(0, 7), fence(1, 12))).toBe(12);
  expect(await newestOf(fence(0, 12), fence(1, 7))).toBe(12);
  expect(await newestOf(fence(0, 0), null)).toBe(0);
});

it('is -1 if no pod has written a fence', async () => {
  expect(await newestOf(null, null)).toBe(-1);
});

it('is unknown if Redis does not reply about one of the fences', async () => {
  expect(await newestOf(undefined, fence(1, 7))).toBeUndefined();
  expect(await newestOf(fence(0, 7), undefined)).toBeUndefined();
});

it.each([
  ['without a proof', digits(9)],
  ['with the proof of another version', digits(9) + redisKeys.proofs(names, 8)[0]],
  ['with the proof of another cache key', digits(9) + redisKeys.proofs(names, 9)[1]],
  ['with the proof of another API key', digits(9) + redisKeys.proofs(redisKeys.fences('other', 'g1'), 9)[0]],
  ['with the proof of another lineage', digits(9) + redisKeys.proofs(redisKeys.fences(ID, 'g2'), 9)[0]],
  ['with more after the proof', `${fence(0, 9)}x`],
  ['with other digits', fence(0, 9, 'z'.repeat(16))],
  ['with too few digits', fence(0, 0xabc, 'abczzzzzzzzzzzzz')],
  ['with a number that is none', fence(0, 1, 'z'.repeat(16))],
  ['of no length', ''],
])('ignores a fence %s', async (_, value) => {
  expect(await newestOf(value, null)).toBe(-1);
  expect(await newestOf(value, fence(1, 7))).toBe(7);
});
