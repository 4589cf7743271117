import fc from 'fast-check';
import { expect } from 'vitest';
import { Interner } from '../../src/keys/cache/interner.ts';
import { FencedCache } from '../../src/keys/cache/redis/fenced-cache.ts';
import type { RedisLink } from '../../src/keys/cache/redis/redis-link.ts';
import { RisingNumbers } from '../../src/keys/cache/redis/rising-numbers.ts';
import { SealedBox } from '../../src/keys/cache/redis/sealed-box.ts';
import { VerifiedKeys } from '../../src/keys/cache/redis/verified-keys.ts';
import { Freshness } from '../../src/keys/change-feed/freshness.ts';
import { RecentChanges } from '../../src/keys/change-feed/recent-changes.ts';
import { ClientAuthentication } from '../../src/keys/client-authentication.ts';
import { SharedResponses } from '../../src/regional/shared-responses.ts';
import { noVersions } from '../support/no-versions.ts';
import { keyRecord } from '../support/records.ts';
import { fuzz } from './support/fuzz.ts';
import { hostileText, mutated, mutatedJson } from './support/inputs.ts';

const NOW_MS = 1_800_000_000_000;
const TTL_MS = 900_000;
const now = () => NOW_MS;
const SECRETS = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const OTHER_SECRET = Buffer.alloc(32, 3);
const box = new SealedBox(SECRETS, now);
/** The boxes that may have sealed a value: of this service, with its older key, and of another service. */
const boxes = [box, new SealedBox(SECRETS.slice(1), now), new SealedBox([OTHER_SECRET], now)];

const binary = hostileText.map((text) => Buffer.from(text));
const sealed = fc
  .record({
    payload: hostileText,
    place: fc.constantFrom('iam:a', 'iam:b'),
    by: fc.nat(boxes.length - 1),
    expiresAtMs: fc.oneof(
      fc.constant(NOW_MS + 1_000),
      fc.constantFrom(NOW_MS, NOW_MS - 1, Number.NaN, Infinity, -Infinity),
    ),
  })
  .map((value) => ({
    ...value,
    bytes: boxes[value.by]?.seal(value.payload, value.place, value.expiresAtMs) ?? Buffer.alloc(0),
  }));
const damage = fc.oneof(
  fc.constant([]),
  fc.array(fc.tuple(fc.nat(1_000), fc.integer({ min: 1, max: 255 })), { maxLength: 2 }),
);

fuzz(
  'opens only unchanged values of this service, in their place and before they expire',
  fc.tuple(
    sealed,
    sealed,
    damage,
    fc.constantFrom('whole', 'whole', 'cut', 'longer', 'spliced', 'foreign'),
    binary,
  ),
  ([value, other, changes, form, foreign]) => {
    const head = 32;
    const forms: Record<typeof form, Buffer> = {
      whole: value.bytes,
      cut: value.bytes.subarray(0, (changes[0]?.[0] ?? 0) % value.bytes.length),
      longer: Buffer.concat([value.bytes, foreign]),
      spliced: Buffer.concat([value.bytes.subarray(0, head), other.bytes.subarray(head)]),
      foreign,
    };
    const bytes = Buffer.from(forms[form]);
    for (const [at, mask] of changes)
      if (bytes.length > 0) bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ mask;
    const opened = box.open(bytes, 'iam:a');
    const isOurs = value.by < 2 && value.place === 'iam:a' && value.expiresAtMs > NOW_MS;
    if (!isOurs || !bytes.equals(value.bytes)) {
      expect(opened).toBeUndefined();
      return 'refused';
    }
    expect(opened?.payload.toString()).toBe(value.payload.toWellFormed());
    expect(opened?.expiresAtMs).toBe(value.expiresAtMs);
    return 'opened';
  },
  { opened: 0.01, refused: 0.3 },
);

const record = keyRecord('key-1', 5, { secretHash: 'current' });
const { roleAssignments, ...rest } = record;
/** What pods store, and what a release with another format might. */
const credentialPayload = fc
  .tuple(
    mutatedJson(
      fc.constant({ record: rest, confirmedAtMs: NOW_MS - 100, verifiedHash: 'current', history: 'h' }),
      ['record', 'id', 'version', 'confirmedAtMs', 'verifiedHash', 'history', 'organizationId'],
    ),
    mutatedJson(fc.constant<unknown>(roleAssignments), ['project', 'organization']),
  )
  .map((lines) => lines.join('\n'));
const origin = {
  id: 'key-1',
  version: 5,
  internal: false,
  scopes: ['["org", "security", "soc"]'],
  confirmedAtMs: NOW_MS - 100,
  validUntilMs: NOW_MS + 60_000,
  permissionsHash: 'hash',
  permissionsLength: 9,
};
const responsePayload = fc
  .tuple(
    mutatedJson(fc.constant(origin), Object.keys(origin)),
    mutated(fc.constant('{"a":"b","organization_id":"org","email":null,"c":1}')),
  )
  .map((parts) => parts.join('\n'));

let payloadInRedis = '';
const changes = new RecentChanges(now, { ttlMs: 2 * TTL_MS, maxEntries: 10 });
changes.startAt(0);
changes.history = 'h';
const freshness = new Freshness(now, { revalidateAfterMs: 2_000, maxStalenessMs: TTL_MS });
freshness.appliedUntilMs = NOW_MS;
const link = {
  isUp: true,
  read: async (redisKey: string) => box.seal(payloadInRedis, redisKey, NOW_MS + 1_000),
  store: async () => undefined,
} as unknown as RedisLink;
const cache = new FencedCache(link, SECRETS, now, { isRight: true } as never, changes, TTL_MS);

/** A pod that finds one payload in Redis, sealed as by this service. */
function pod(payload: string) {
  payloadInRedis = payload;
  const verified = new VerifiedKeys(cache, now, changes, TTL_MS, new Interner(10));
  const hasPassed = (atMs: number) => NOW_MS >= atMs;
  const clientAuthentication = new ClientAuthentication(['secret']);
  const responses = new SharedResponses({
    cache,
    fences: noVersions,
    changes,
    freshness,
    clientAuthentication,
    now,
    hasPassed,
    ttlMs: TTL_MS,
  });
  return { verified, responses };
}

fuzz(
  'uses a stored credential only for its own key, and misses one of another format',
  fc.oneof({ weight: 3, arbitrary: credentialPayload }, mutated(credentialPayload), hostileText),
  async (payload) => {
    const found = await pod(payload).verified.read('key-1', 'digest');
    if (!found) return 'missed';
    expect(found.record.id).toBe('key-1');
    if (found.recordIsUsable) {
      expect(found.confirmedAtMs).toBeGreaterThan(NOW_MS - TTL_MS);
      expect(found.confirmedAtMs).toBeLessThan(NOW_MS + 60_000);
    }
    return 'found';
  },
  { found: 0.1, missed: 0.1 },
);

fuzz(
  'uses a stored response only for its own key, and misses one of another format',
  fc.oneof({ weight: 3, arbitrary: responsePayload }, mutated(responsePayload), hostileText),
  async (payload) => {
    const found = await pod(payload).responses.read('key-1', 'digest', {
      secret: undefined,
      certificate: false,
    });
    if (found === undefined) return 'missed';
    expect(found.origin().key?.id).toBe('key-1');
    expect(found.validUntilMs).toBeGreaterThan(NOW_MS);
    expect(found.validUntilMs).toBeLessThan(NOW_MS + TTL_MS + 60_000);
    const sentBytes = Buffer.from(payload).toString('latin1');
    expect(sentBytes.slice(sentBytes.indexOf('\n') + 1)).toBe(found.body);
    expect(typeof found.organizationId).toBe('string');
    return 'found';
  },
  { found: 0.1, missed: 0.1 },
);

const stored = fc.oneof(
  fc.constant(null),
  fc
    .bigInt({ min: 0n, max: 2n ** 64n - 1n })
    .map((value) => Buffer.from(value.toString(16).padStart(16, '0'))),
  mutated(fc.bigInt({ min: 0n, max: 2n ** 53n }).map((value) => value.toString(16).padStart(16, '0'))).map(
    (text) => Buffer.from(text),
  ),
  binary,
);

fuzz(
  'reads the highest number of its places, and any other value as higher than all',
  fc.array(stored, { minLength: 1, maxLength: 3 }),
  async (values) => {
    const link = { isUp: true, read: async (name: string) => values[Number(name)] } as unknown as RedisLink;
    const [highest] = (await new RisingNumbers(link).read([values.map((_, at) => String(at))])) ?? [];
    const texts = values.filter((value) => value !== null).map((value) => value.toString('latin1'));
    const isNumber = (text: string) => /^[0-9a-f]{16}/.test(text);
    if (!texts.every(isNumber)) expect(highest).toBe(Infinity);
    else if (texts.length === 0) expect(highest).toBe(-Infinity);
    else expect(highest).toBe(Math.max(...texts.map((text) => Number(`0x${text.slice(0, 16)}`))));
    return highest === Infinity ? 'no number' : 'number';
  },
  { number: 0.1, 'no number': 0.1 },
);
