import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RedisKeys } from '../../../../../src/keys/cache/redis/redis-keys.ts';

const secret = randomBytes(32);
const places = new RedisKeys([secret]);

function namesOf(id: string, digest: string): [fence: string, entry: string] {
  const [fence, entry] = [places.fences(id)[0], places.entries('credential', id, digest)[0]];
  return [fence as string, entry as string];
}

it('two keys, or two credentials of one key, never share a place, however alike their names are', () => {
  fc.assert(
    fc.property(fc.tuple(fc.string(), fc.string()), fc.tuple(fc.string(), fc.string()), (one, other) => {
      const [fence, entry] = namesOf(...one);
      const [otherFence, otherEntry] = namesOf(...other);
      expect(fence === otherFence).toBe(one[0] === other[0]);
      expect(entry === otherEntry).toBe(one[0] === other[0] && one[1] === other[1]);
      expect(new Set([fence, entry, otherEntry]).has(otherFence)).toBe(one[0] === other[0]);
    }),
  );
});

it('an id that reads like a credential’s digest, or the other way round, has a place of its own', () => {
  const tagOf = (name: string) => /\{(.*)\}/.exec(name)?.[1];
  const [fence, entry] = namesOf('same', 'same');
  expect(entry.endsWith(tagOf(fence) as string)).toBe(false);
  expect(namesOf('id:a', 'b')[0]).not.toBe(namesOf('a', 'b')[0]);
});

it('a credential and a call with one digest have places of their own', () => {
  const [credential] = places.entries('credential', 'id', 'same');
  const [answer] = places.entries('response', 'id', 'same');
  expect(credential?.split(':').at(-1)).not.toBe(answer?.split(':').at(-1));
});

it('twenty thousand keys have twenty thousand places', () => {
  const names = new Set<string>();
  for (let index = 0; index < 20_000; index += 1)
    for (const name of places.fences(`key-${index}`)) names.add(name);
  expect(names.size).toBe(20_000);
});

it('all places of a key have its hash tag and no other, so that a Redis Cluster keeps them in one slot', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.string(), { minLength: 1 }), (id, digests) => {
      const names = digests.flatMap((digest) => namesOf(id, digest));
      const tags = names.map((name) => /^[^{}]*\{([^{}]+)\}[^{}]*$/.exec(name)?.[1]);
      expect(new Set(tags).size).toBe(1);
      expect(tags[0]).toBeDefined();
    }),
  );
});

it('places say nothing about ids and digests to somebody without the key', () => {
  const id = randomBytes(15).toString('base64url');
  const digest = randomBytes(32).toString('base64url');
  const text = namesOf(id, digest).join(' ');
  expect(text).not.toContain(id);
  expect(text).not.toContain(digest);
  expect(new RedisKeys([randomBytes(32)]).fences(id)).not.toEqual(places.fences(id));
});

it('while keys are rotated the first of them says where to write and all of them where to read', () => {
  const newer = randomBytes(32);
  const [first, second] = new RedisKeys([newer, secret]).entries('credential', 'id', 'digest');
  expect(first).toEqual(new RedisKeys([newer]).entries('credential', 'id', 'digest')[0]);
  expect(second).toEqual(places.entries('credential', 'id', 'digest')[0]);
  const tagged = (place?: string) => `${place?.split('}')[0]}}:fence`;
  expect(new RedisKeys([newer, secret]).fences('id')).toEqual([tagged(first), tagged(second)]);
});
