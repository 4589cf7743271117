import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SealedBox } from '../../../../../src/keys/cache/redis/sealed-box.ts';

const NOW_MS = 1_700_000_000_000;
const LATER_MS = NOW_MS + 60_000;
const REDIS_KEY = 'iam4:{tag}:credential:name';
const secret = randomBytes(32);
const box = new SealedBox([secret], () => NOW_MS);

/** Offsets in a sealed value; repeated here on purpose, since the layout must not change. */
const NONCE = { start: 4, end: 16 };

it('opens a sealed value of any content with its expiry', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 2_000 }), fc.string(), (payload, redisKey) => {
      const opened = box.open(box.seal(payload, redisKey, LATER_MS), redisKey);
      expect(opened?.payload.toString()).toBe(payload.toWellFormed());
      expect(opened?.expiresAtMs).toBe(LATER_MS);
    }),
  );
});

it('opens a value that an earlier release sealed, with the same layout', () => {
  const sealed = Buffer.from(
    '6b7c030c0001020304050607000000006c04a9f63d002624563503e4262d024529ca410f07fe90169ff11bbdb52276bf3eb5',
    'hex',
  );
  const opened = new SealedBox([Buffer.alloc(32, 7)], () => NOW_MS).open(sealed, REDIS_KEY);
  expect(opened?.payload.toString()).toBe('payload é');
  expect(opened?.expiresAtMs).toBe(LATER_MS);
});

it('counts its nonces behind one random prefix', () => {
  const other = new SealedBox([secret], () => NOW_MS);
  const nonces = [0, 1, 2].map(() => other.seal('', REDIS_KEY, LATER_MS).subarray(NONCE.start, NONCE.end));
  expect(new Set(nonces.map((nonce) => nonce.toString('hex', 0, 8))).size).toBe(1);
  expect(nonces.map((nonce) => nonce.readUInt32BE(8))).toEqual([0, 1, 2]);
});

it('refuses a value with any single bit flipped', () => {
  const sealed = box.seal('payload', REDIS_KEY, LATER_MS);
  for (let bit = 0; bit < sealed.length * 8; bit += 1) {
    const flipped = Buffer.from(sealed);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    expect(box.open(flipped, REDIS_KEY), `bit ${bit}`).toBeUndefined();
  }
});

it('refuses a truncated or extended value', () => {
  const sealed = box.seal('payload', REDIS_KEY, LATER_MS);
  for (let length = 0; length < sealed.length; length += 1) {
    expect(box.open(sealed.subarray(0, length), REDIS_KEY)).toBeUndefined();
  }
  expect(box.open(Buffer.concat([sealed, Buffer.alloc(1)]), REDIS_KEY)).toBeUndefined();
  expect(box.open(Buffer.concat([Buffer.alloc(1), sealed]), REDIS_KEY)).toBeUndefined();
});

it('refuses forged bytes without an error', () => {
  const head = box.seal('', REDIS_KEY, LATER_MS).subarray(0, NONCE.start);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, withFingerprint) => {
      const forged = withFingerprint ? Buffer.concat([head, bytes]) : Buffer.from(bytes);
      expect(box.open(forged, REDIS_KEY)).toBeUndefined();
    }),
  );
});

it('refuses a value under another Redis key', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (redisKey, other) => {
      fc.pre(redisKey !== other);
      expect(box.open(box.seal('payload', redisKey, LATER_MS), other)).toBeUndefined();
    }),
  );
});

it('refuses a value from the millisecond of its expiry on', () => {
  let nowMs = NOW_MS;
  const clocked = new SealedBox([secret], () => nowMs);
  const sealed = clocked.seal('payload', REDIS_KEY, LATER_MS);
  nowMs = LATER_MS - 1;
  expect(clocked.open(sealed, REDIS_KEY)?.payload.toString()).toBe('payload');
  nowMs = LATER_MS;
  expect(clocked.open(sealed, REDIS_KEY)).toBeUndefined();
});

it.each([Number.NaN, Number.NEGATIVE_INFINITY, 0])('refuses a value that expires at %s', (expiry) => {
  expect(box.open(box.seal('payload', REDIS_KEY, expiry), REDIS_KEY)).toBeUndefined();
});

it('seals with the first secret and opens with all of them during a rotation', () => {
  const [older, newer] = [randomBytes(32), randomBytes(32)];
  const boxes = [[older], [newer, older], [newer]].map((keys) => new SealedBox(keys, () => NOW_MS));
  const opens = boxes.map((from) => {
    const sealed = from.seal('payload', REDIS_KEY, LATER_MS);
    return boxes.map((to) => to.open(sealed, REDIS_KEY) !== undefined);
  });
  expect(opens).toEqual([
    [true, true, false],
    [false, true, true],
    [false, true, true],
  ]);
});

it('uses no nonce twice, also in several processes with the same secret', () => {
  const boxes = [box, new SealedBox([secret], () => NOW_MS), new SealedBox([secret], () => NOW_MS)];
  const nonces = boxes.flatMap((one) =>
    Array.from({ length: 5_000 }, () =>
      one.seal('', REDIS_KEY, LATER_MS).toString('hex', NONCE.start, NONCE.end),
    ),
  );
  expect(new Set(nonces).size).toBe(nonces.length);
});

it('reveals nothing of the payload or the secret', () => {
  const payload = 'org-1 '.repeat(20);
  const sealed = box.seal(payload, REDIS_KEY, LATER_MS).toString('latin1');
  expect(sealed).not.toContain('org-1');
  expect(sealed).not.toContain(secret.toString('latin1'));
});
