import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SealedBox } from '../../../../../src/keys/cache/redis/sealed-box.ts';

const NOW_MS = 1_700_000_000_000;
const LATER_MS = NOW_MS + 60_000;
const PLACE = 'iam4:{tag}:credential:name';
const secret = randomBytes(32);
const box = new SealedBox([secret], () => NOW_MS);

/** Layout of a sealed value; written down here a second time on purpose. */
const NONCE = { start: 4, end: 16 };

it('what was sealed for a place is opened there, whatever it holds, with the expiry it was sealed with', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 2_000 }), fc.string(), (payload, place) => {
      const opened = box.open(box.seal(payload, place, LATER_MS), place);
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
  const opened = new SealedBox([Buffer.alloc(32, 7)], () => NOW_MS).open(sealed, PLACE);
  expect(opened?.payload.toString()).toBe('payload é');
  expect(opened?.expiresAtMs).toBe(LATER_MS);
});

it('a value with any single bit flipped is refused', () => {
  const sealed = box.seal('payload', PLACE, LATER_MS);
  for (let bit = 0; bit < sealed.length * 8; bit += 1) {
    const flipped = Buffer.from(sealed);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    expect(box.open(flipped, PLACE), `bit ${bit}`).toBeUndefined();
  }
});

it('a value that was cut or grew by a byte is refused', () => {
  const sealed = box.seal('payload', PLACE, LATER_MS);
  for (let length = 0; length < sealed.length; length += 1) {
    expect(box.open(sealed.subarray(0, length), PLACE)).toBeUndefined();
  }
  expect(box.open(Buffer.concat([sealed, Buffer.alloc(1)]), PLACE)).toBeUndefined();
  expect(box.open(Buffer.concat([Buffer.alloc(1), sealed]), PLACE)).toBeUndefined();
});

it('bytes that were never sealed are refused, and none of them is an error', () => {
  const head = box.seal('', PLACE, LATER_MS).subarray(0, NONCE.start);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, withFingerprint) => {
      const forged = withFingerprint ? Buffer.concat([head, bytes]) : Buffer.from(bytes);
      expect(box.open(forged, PLACE)).toBeUndefined();
    }),
  );
});

it('a value is bound to its place', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (place, other) => {
      fc.pre(place !== other);
      expect(box.open(box.seal('payload', place, LATER_MS), other)).toBeUndefined();
    }),
  );
});

it('a value is refused from the millisecond of its expiry on', () => {
  let nowMs = NOW_MS;
  const clocked = new SealedBox([secret], () => nowMs);
  const sealed = clocked.seal('payload', PLACE, LATER_MS);
  nowMs = LATER_MS - 1;
  expect(clocked.open(sealed, PLACE)?.payload.toString()).toBe('payload');
  nowMs = LATER_MS;
  expect(clocked.open(sealed, PLACE)).toBeUndefined();
});

it.each([Number.NaN, Number.NEGATIVE_INFINITY, 0])('a value that expires at %s is never good', (expiry) => {
  expect(box.open(box.seal('payload', PLACE, expiry), PLACE)).toBeUndefined();
});

it('a key is rotated in three steps: old, new before old, new; only the first of the list seals', () => {
  const [older, newer] = [randomBytes(32), randomBytes(32)];
  const boxes = [[older], [newer, older], [newer]].map((keys) => new SealedBox(keys, () => NOW_MS));
  const opens = boxes.map((from) => {
    const sealed = from.seal('payload', PLACE, LATER_MS);
    return boxes.map((to) => to.open(sealed, PLACE) !== undefined);
  });
  expect(opens).toEqual([
    [true, true, false],
    [false, true, true],
    [false, true, true],
  ]);
});

it('no nonce is used twice, also by two processes with the same key', () => {
  const boxes = [box, new SealedBox([secret], () => NOW_MS), new SealedBox([secret], () => NOW_MS)];
  const nonces = boxes.flatMap((one) =>
    Array.from({ length: 5_000 }, () =>
      one.seal('', PLACE, LATER_MS).toString('hex', NONCE.start, NONCE.end),
    ),
  );
  expect(new Set(nonces).size).toBe(nonces.length);
});

it('a sealed value shows nothing of what is in it', () => {
  const payload = 'org-1 '.repeat(20);
  const sealed = box.seal(payload, PLACE, LATER_MS).toString('latin1');
  expect(sealed).not.toContain('org-1');
  expect(sealed).not.toContain(secret.toString('latin1'));
});
