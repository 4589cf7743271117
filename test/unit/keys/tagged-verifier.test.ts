import { beforeAll, describe, expect, it } from 'vitest';
import { hashSecret } from '../../../src/credential/hash.ts';
import { secretTag } from '../../../src/credential/secret-tag.ts';
import { ClientAuthentication } from '../../../src/keys/client-authentication.ts';
import { KeyAuthenticator } from '../../../src/keys/key-authenticator.ts';
import type { KeyRecord } from '../../../src/keys/key-record.ts';
import type { LoadedKey } from '../../../src/keys/key-store.ts';
import { Argon2SecretVerifier } from '../../../src/keys/secret-verifier.ts';
import { TaggedVerifier, type WrongSecretGuard } from '../../../src/keys/tagged-verifier.ts';
import { newCredential, TEST_HASH_PARAMETERS } from '../../support/keys.ts';
import { keyRecord } from '../../support/records.ts';

const { id } = newCredential();
const current = newCredential().secret;
const previous = newCredential().secret;
let hashes: Pick<KeyRecord, 'secretHash' | 'previousSecretHash'>;
const tags = { secretTag: secretTag(id, current), previousSecretTag: secretTag(id, previous) };
const inGrace = { previousSecretExpiresAtMs: 2_000 };
const graceOver = { previousSecretExpiresAtMs: 1_000 };

beforeAll(async () => {
  hashes = {
    secretHash: await hashSecret(current, TEST_HASH_PARAMETERS),
    previousSecretHash: await hashSecret(previous, TEST_HASH_PARAMETERS),
  };
});

const loaded = (record: KeyRecord): LoadedKey => ({
  record,
  tier: 'memory',
  confirmedAtMs: 0,
  stale: false,
  superseded: false,
});

/** Verifies with argon2 behind the tag, at time 1,000. */
async function verify(secret: string, fields: Partial<KeyRecord>) {
  const hasPassed = (atMs: number) => atMs <= 1_000;
  const inner = new Argon2SecretVerifier(hasPassed);
  let passed = 0;
  const guards: WrongSecretGuard[] = [];
  const tagged = new TaggedVerifier(
    {
      match: (key, presented) => {
        passed += 1;
        return inner.match(key, presented);
      },
    },
    hasPassed,
    (guard) => guards.push(guard),
  );
  const match = await tagged.match(loaded(keyRecord(id, 1, { ...hashes, ...fields })), secret, '');
  return { match, passed, guards };
}

describe('a key with tags', () => {
  it('accepts its secret, and its previous one during the grace period', async () => {
    const fields = { ...tags, ...inGrace };
    expect(await verify(current, fields)).toEqual({ match: 'current', passed: 1, guards: [] });
    expect(await verify(previous, fields)).toEqual({ match: 'previous', passed: 1, guards: [] });
  });

  it.each(['in', 'after'])('refuses a wrong secret without argon2 %s the grace period', async (when) => {
    const wrong = newCredential().secret;
    const fields = { ...tags, ...(when === 'in' ? inGrace : graceOver) };
    expect(await verify(wrong, fields)).toEqual({ match: 'none', passed: 0, guards: ['tag'] });
  });

  it('refuses the previous secret without argon2 after the grace period', async () => {
    const result = await verify(previous, { ...tags, ...graceOver });
    expect(result).toEqual({ match: 'none', passed: 0, guards: ['tag'] });
  });

  it('refuses a wrong secret that has the right tag with argon2', async () => {
    const wrong = newCredential().secret;
    const fields = { ...tags, secretTag: secretTag(id, wrong) };
    expect(await verify(wrong, fields)).toEqual({ match: 'none', passed: 1, guards: ['argon2'] });
  });

  it('does not compare a secret with the hash of another tag', async () => {
    // The hash matches and its tag does not: only a comparison that ignores the tag would accept it.
    const fields = { ...tags, secretTag: tags.secretTag ^ 1, ...inGrace };
    expect((await verify(current, fields)).match).toBe('none');
    const previousWithCurrentHash = { ...fields, previousSecretTag: tags.secretTag };
    expect((await verify(current, previousWithCurrentHash)).match).toBe('none');
  });
});

describe('a key that an older release has issued', () => {
  it('verifies every secret with argon2', async () => {
    expect((await verify(current, {})).match).toBe('current');
    expect(await verify(newCredential().secret, {})).toEqual({
      match: 'none',
      passed: 1,
      guards: ['argon2'],
    });
  });

  it('accepts its old secret after a rotation that wrote a tag for the new one only', async () => {
    const fields = { secretTag: tags.secretTag, ...inGrace };
    expect((await verify(previous, fields)).match).toBe('previous');
    expect((await verify(current, fields)).match).toBe('current');
  });
});

it('an unknown id takes the same time as a wrong secret', async () => {
  const known = keyRecord(id, 1, { ...hashes, ...tags });
  const authenticator = new KeyAuthenticator({
    acceptedPrefixes: [],
    keys: { get: async (query) => (query.id === id ? loaded(known) : undefined) },
    secrets: new TaggedVerifier(new Argon2SecretVerifier(() => false), () => false),
    clientAuthentication: new ClientAuthentication([]),
    hasPassed: () => false,
  });
  const timesMs = { unknown: [] as number[], wrong: [] as number[] };
  const unknownId = newCredential().id;
  const secrets = Array.from({ length: 4_000 }, () => newCredential().secret);
  for (const secret of secrets) {
    for (const [kind, presented] of [['unknown', unknownId] as const, ['wrong', id] as const]) {
      const startedAtMs = performance.now();
      const error = await authenticator
        .authenticateCredential(
          { id: presented, secret, layout: 'v1' },
          { client: { secret: undefined, certificate: false }, network: '192.0.2.1' },
        )
        .catch((problem: unknown) => problem);
      timesMs[kind].push(performance.now() - startedAtMs);
      expect(error).toHaveProperty('reason', 'API_KEY_MISSING');
    }
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length / 2] as number;
  const ratio = median(timesMs.wrong) / median(timesMs.unknown);
  expect(ratio).toBeGreaterThan(0.75);
  expect(ratio).toBeLessThan(1.33);
});
