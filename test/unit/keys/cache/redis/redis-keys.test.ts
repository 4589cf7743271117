import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RedisKeys } from '../../../../../src/keys/cache/redis/redis-keys.ts';

const secret = randomBytes(32);
const redisKeys = new RedisKeys([secret]);

function keysOf(id: string, digest: string): [fence: string, entry: string] {
  const [fence, entry] = [redisKeys.fences(id, 'h')[0], redisKeys.entries('credential', id, digest)[0]];
  return [fence as string, entry as string];
}

it('derives distinct Redis keys for any two API keys or credentials', () => {
  fc.assert(
    fc.property(fc.tuple(fc.string(), fc.string()), fc.tuple(fc.string(), fc.string()), (one, other) => {
      const [fence, entry] = keysOf(...one);
      const [otherFence, otherEntry] = keysOf(...other);
      expect(fence === otherFence).toBe(one[0] === other[0]);
      expect(entry === otherEntry).toBe(one[0] === other[0] && one[1] === other[1]);
      expect(new Set([fence, entry, otherEntry]).has(otherFence)).toBe(one[0] === other[0]);
    }),
  );
});

it('derives distinct Redis keys from an id and from an equal digest', () => {
  const tagOf = (name: string) => /\{(.*)\}/.exec(name)?.[1];
  const [fence, entry] = keysOf('same', 'same');
  expect(entry.endsWith(tagOf(fence) as string)).toBe(false);
  expect(keysOf('id:a', 'b')[0]).not.toBe(keysOf('a', 'b')[0]);
});

it('derives distinct Redis keys for a credential and a response with the same digest', () => {
  const [credential] = redisKeys.entries('credential', 'id', 'same');
  const [response] = redisKeys.entries('response', 'id', 'same');
  expect(credential?.split(':').at(-1)).not.toBe(response?.split(':').at(-1));
});

it('derives 20,000 distinct fences for 20,000 API keys', () => {
  const names = new Set<string>();
  for (let index = 0; index < 20_000; index += 1)
    for (const name of redisKeys.fences(`key-${index}`, 'h')) names.add(name);
  expect(names.size).toBe(20_000);
});

it('uses one hash tag per API key, so that a Redis Cluster keeps its entries in one slot', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.string(), { minLength: 1 }), (id, digests) => {
      const names = digests.flatMap((digest) => keysOf(id, digest));
      const tags = names.map((name) => /^[^{}]*\{([^{}]+)\}[^{}]*$/.exec(name)?.[1]);
      expect(new Set(tags).size).toBe(1);
      expect(tags[0]).toBeDefined();
    }),
  );
});

it('hides ids and digests from a reader without the secret', () => {
  const id = randomBytes(15).toString('base64url');
  const digest = randomBytes(32).toString('base64url');
  const text = keysOf(id, digest).join(' ');
  expect(text).not.toContain(id);
  expect(text).not.toContain(digest);
  expect(new RedisKeys([randomBytes(32)]).fences(id, 'h')).not.toEqual(redisKeys.fences(id, 'h'));
});

it('writes with the first secret and reads with all of them during a rotation', () => {
  const newer = randomBytes(32);
  const [first, second] = new RedisKeys([newer, secret]).entries('credential', 'id', 'digest');
  expect(first).toEqual(new RedisKeys([newer]).entries('credential', 'id', 'digest')[0]);
  expect(second).toEqual(redisKeys.entries('credential', 'id', 'digest')[0]);
  const tagged = (redisKey?: string) => `${redisKey?.split('}')[0]}}:fence:h`;
  expect(new RedisKeys([newer, secret]).fences('id', 'h')).toEqual([tagged(first), tagged(second)]);
});
