import argon2 from 'argon2';
import { beforeAll, describe, expect, it } from 'vitest';
import { BrokenHashError, hashBounds, hashSecret, verifySecret } from '../../../src/credential/hash.ts';
import { hashParametersProblem, parsePhc } from '../../../src/credential/phc.ts';

const SMALL = { memoryKiB: 64, timeCost: 1, parallelism: 1 };
const SECRET = 'a test secret';
let phc: string;
let digest: string;

beforeAll(async () => {
  phc = await hashSecret(SECRET, SMALL);
  digest = phc.slice(phc.lastIndexOf('$') + 1);
});

it('accepts the correct secret and no other', async () => {
  expect(await verifySecret(phc, SECRET)).toBe(true);
  for (const wrong of ['', `${SECRET} `, SECRET.slice(1)]) expect(await verifySecret(phc, wrong)).toBe(false);
});

it('writes argon2id and its parameters into the hash', () => {
  expect(phc).toMatch(/^\$argon2id\$v=19\$/);
  expect(phc).toMatch(/\bm=64\b/);
});

it('uses a new salt for each hash', async () => {
  expect(await hashSecret(SECRET, SMALL)).not.toBe(phc);
});

it('verifies each hash with its own parameters', async () => {
  const other = await hashSecret(SECRET, { memoryKiB: 128, timeCost: 2, parallelism: 2 });
  expect(await verifySecret(other, SECRET)).toBe(true);
});

it('verifies a hash with the parameter order of the reference implementation (m,t,p)', async () => {
  const reordered = phc.replace(/\$m=[^$]*/, '$m=64,t=1,p=1');
  expect(await verifySecret(reordered, SECRET)).toBe(true);
});

describe('verifySecret throws BrokenHashError, instead of refusing the secret, if the hash', () => {
  const broken: [string, () => string][] = [
    ['is empty', () => ''],
    ['is not a PHC string', () => 'garbage'],
    ['names another algorithm', () => phc.replace('argon2id', 'scrypt')],
    ['is argon2i', () => phc.replace('argon2id', 'argon2i')],
    ['is argon2d', () => phc.replace('argon2id', 'argon2d')],
    ['has another version', () => phc.replace('v=19', 'v=16')],
    ['has no version', () => phc.replace('v=19$', '')],
    ['lacks a parameter', () => phc.replace('m=64,', '')],
    ['has a parameter twice', () => phc.replace(/\$m=[^$]*/, '$m=64,m=64,t=1')],
    ['has associated data', () => phc.replace(/\$m=[^$]*/, '$m=64,t=1,p=1,data=AAAA')],
    ['has a parameter with a leading zero', () => phc.replace('m=64', 'm=064')],
    ['requires 4 GiB', () => phc.replace('m=64', `m=${4 * 1024 * 1024}`)],
    ['requires one KiB more than the limit', () => phc.replace('m=64', `m=${hashBounds.memoryKiB.max + 1}`)],
    ['requires too many passes', () => phc.replace('t=1', 't=4000000000')],
    ['requires too many lanes', () => phc.replace('p=1', 'p=255')],
    ['has less memory than its lanes need', () => phc.replace('p=1', 'p=16')],
    ['has no salt', () => phc.replace(/\$[^$]*\$([^$]*)$/, '$$$$$1')],
    ['has a salt of 4 bytes', () => phc.replace(/\$[^$]*\$([^$]*)$/, '$$AAAAAA$$$1')],
    ['has no digest', () => phc.slice(0, -digest.length - 1)],
    ['is truncated', () => phc.slice(0, -25)],
    ['is truncated by one character', () => phc.slice(0, -1)],
    ['has padding', () => `${phc}=`],
    ['has a line break', () => `${phc}\n`],
    ['is very long', () => phc + 'A'.repeat(1_000_000)],
  ];

  it.each(broken)('%s', async (_name, make) => {
    const stored = make();
    expect(stored).not.toBe(phc);
    const error: unknown = await verifySecret(stored, SECRET).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BrokenHashError);
    const { message } = error as BrokenHashError;
    expect(message.length).toBeLessThan(100);
    expect(message).not.toContain('$');
    expect(message).not.toContain(digest.slice(0, 8));
  });
});

it.each([
  [8, 1, 1, true],
  [262_144, 16, 16, true],
  [128, 1, 16, true],
  [7, 1, 1, false],
  [262_145, 1, 1, false],
  [8, 0, 1, false],
  [8, 17, 1, false],
  [8, 1, 0, false],
  [262_144, 1, 17, false],
  [127, 1, 16, false],
])(
  'with %i KiB, %i passes and %i lanes, a cost is within the bounds: %s',
  (memoryKiB, timeCost, parallelism, isWithin) => {
    expect(hashParametersProblem({ memoryKiB, timeCost, parallelism }) === undefined).toBe(isWithin);
  },
);

describe('a hash', () => {
  const DIGEST = 'A'.repeat(43);
  const SALT = 'A'.repeat(11);

  it.each([
    ['m=64,t=1,p=1', { memoryKiB: 64, timeCost: 1, parallelism: 1 }],
    ['p=2,m=65,t=3', { memoryKiB: 65, timeCost: 3, parallelism: 2 }],
    ['m=64,t=1,p=1', { memoryKiB: 64, timeCost: 1, parallelism: 1 }],
  ])('with the costs %s states them', (costs, parameters) => {
    const parsed = parsePhc(`$argon2id$v=19$${costs}$${SALT}$${DIGEST}`);
    expect(parsed).toMatchObject({ ok: true, parameters });
  });

  it.each([
    ['without memory', 't=1,p=1', SALT, 'invalid parameters'],
    ['without passes', 'm=64,p=1', SALT, 'invalid parameters'],
    ['without lanes', 'm=64,t=1', SALT, 'invalid parameters'],
    ['with its memory twice', 'm=64,t=1,p=1,m=65', SALT, 'invalid parameters'],
    ['with a part that is no cost', 'm=64,t=1,p=1,', SALT, 'invalid parameters'],
    ['without costs', ',', SALT, 'invalid parameters'],
    ['with a salt of 7 bytes', 'm=64,t=1,p=1', SALT.slice(1), 'invalid salt'],
    ['with spare bits in its salt', 'm=64,t=1,p=1', `${SALT.slice(1)}B`, 'invalid salt'],
  ])('%s has a problem of its own', (_, costs, salt, problem) => {
    expect(parsePhc(`$argon2id$v=19$${costs}$${salt}$${DIGEST}`)).toEqual({ ok: false, problem });
  });
});

it('refuses parameters that verifySecret would reject, before it hashes', async () => {
  for (const parameters of [
    { ...SMALL, memoryKiB: hashBounds.memoryKiB.max + 1 },
    { ...SMALL, memoryKiB: 7 },
    { ...SMALL, timeCost: 0 },
    { ...SMALL, parallelism: 9 },
    { ...SMALL, timeCost: 1.5 },
  ]) {
    await expect(hashSecret(SECRET, parameters)).rejects.toThrow(RangeError);
  }
});

it('is needed because the argon2 package reports an unknown algorithm as a wrong secret', async () => {
  // The reason for a separate parser. If this fails, the package has changed.
  expect(await argon2.verify(phc.replace('argon2id', 'scrypt'), SECRET)).toBe(false);
});
