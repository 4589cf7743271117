import { describe, expect, it } from 'vitest';
import { MemoryKeyStore } from '../../../src/keys/cache/memory-key-store.ts';
import { Revalidation } from '../../../src/keys/cache/revalidation.ts';
import { Freshness } from '../../../src/keys/change-feed/freshness.ts';
import { RecentChanges } from '../../../src/keys/change-feed/recent-changes.ts';
import { ClientAuthentication, type ClientProof } from '../../../src/keys/client-authentication.ts';
import { KeyAuthenticator } from '../../../src/keys/key-authenticator.ts';
import type { KeyRecord } from '../../../src/keys/key-record.ts';
import { type KeyStore, type LoadedKey, StoreUnavailableError } from '../../../src/keys/key-store.ts';
import type { SecretMatch } from '../../../src/keys/secret-verifier.ts';
import { authorizationOf, newCredential } from '../../support/keys.ts';
import { keyRecord } from '../../support/records.ts';

const NOW_MS = 1_000_000;
const EXTERNAL: ClientProof = { secret: undefined, certificate: false };
const credential = newCredential();
const authorization = authorizationOf(credential);

interface Options {
  keys: KeyStore;
  match?: () => SecretMatch | Promise<SecretMatch>;
  hasPassed?: (atMs: number) => boolean | undefined;
  mayLackKeys?: () => boolean;
}

function authenticator({
  keys,
  match = () => 'current',
  hasPassed = (atMs) => NOW_MS >= atMs,
  mayLackKeys,
}: Options) {
  return new KeyAuthenticator({
    acceptedPrefixes: ['essu_dev'],
    keys,
    secrets: { match: async () => match() },
    clientAuthentication: new ClientAuthentication(['trusted']),
    hasPassed,
    ...(mayLackKeys && { mayLackKeys }),
  });
}

function loaded(fields: Partial<KeyRecord> = {}, rest: Partial<LoadedKey> = {}): LoadedKey {
  return {
    record: keyRecord(credential.id, 1, fields),
    tier: 'postgres',
    confirmedAtMs: NOW_MS,
    superseded: false,
    stale: false,
    ...rest,
  };
}

/** The time until which the key is valid, or the reason of the refusal. */
async function outcome(options: Options, client = EXTERNAL): Promise<unknown> {
  try {
    return (await authenticator(options).authenticate({ authorization, client, network: '192.0.2.1' }))
      .validUntilMs;
  } catch (error) {
    return (error as { reason?: string }).reason ?? error;
  }
}

const withRecord = (fields: Partial<KeyRecord>) => ({ keys: { get: async () => loaded(fields) } });

describe('a key that changes while argon2 compares its secret', () => {
  /** Authenticates; applies the change after the first comparison has begun and before it ends. */
  async function whileCompared(after: Partial<KeyRecord>, matches: SecretMatch[]) {
    const now = () => NOW_MS;
    const freshness = new Freshness(now, { revalidateAfterMs: 2_000, maxStalenessMs: 900_000 });
    freshness.appliedUntilMs = NOW_MS;
    const changes = new RecentChanges(now, { ttlMs: 60_000, maxEntries: 100 });
    changes.startAt(0);
    let record = keyRecord(credential.id, 1);
    const keys = new MemoryKeyStore({
      inner: { get: async () => ({ ...loaded(), record }) },
      freshness,
      changes,
      revalidation: new Revalidation({ currentVersion: async () => record.version }, freshness, now),
      now,
      maxEntries: 10,
    });
    let comparisons = 0;
    const result = await outcome({
      keys,
      match: () => {
        comparisons += 1;
        if (comparisons === 1) {
          record = keyRecord(credential.id, 2, after);
          for (const listener of [changes, keys])
            listener.apply({ entity: 'key', id: credential.id, version: 2 });
        }
        return matches[comparisons - 1] ?? 'current';
      },
    });
    return { result, comparisons };
  }

  it('is refused if it was revoked', async () => {
    expect(await whileCompared({ revokedAtMs: NOW_MS }, [])).toEqual({
      result: 'API_KEY_REVOKED',
      comparisons: 2,
    });
  });

  it('is refused with the former secret if it was rotated without a grace period', async () => {
    const { result } = await whileCompared({ secretHash: 'another' }, ['current', 'none']);
    expect(result).toBe('API_KEY_MISSING');
  });

  it('is accepted with the new secret if it was rotated', async () => {
    const { result } = await whileCompared({ secretHash: 'another' }, ['none', 'current']);
    expect(result).toBe(Number.POSITIVE_INFINITY);
  });

  it('is a case for 503, not 401, if it changes during every comparison', async () => {
    let reads = 0;
    const keys = {
      get: async () => {
        reads += 1;
        return loaded({}, { superseded: true });
      },
    };
    expect(await outcome({ keys })).toBeInstanceOf(StoreUnavailableError);
    expect(reads).toBe(5);
  });
});

describe('a key', () => {
  it('is valid until it expires', async () => {
    expect(await outcome(withRecord({}))).toBe(Number.POSITIVE_INFINITY);
    expect(await outcome(withRecord({ expiresAtMs: NOW_MS + 1 }))).toBe(NOW_MS + 1);
    expect(await outcome(withRecord({ expiresAtMs: NOW_MS }))).toBe('API_KEY_EXPIRED');
  });

  it('is valid with its former secret until the grace period or the key ends', async () => {
    const previous = (fields: Partial<KeyRecord>) => ({
      ...withRecord({ previousSecretHash: 'former', ...fields }),
      match: () => 'previous' as const,
    });
    expect(await outcome(previous({ previousSecretExpiresAtMs: NOW_MS + 5 }))).toBe(NOW_MS + 5);
    expect(await outcome(previous({ previousSecretExpiresAtMs: NOW_MS + 5, expiresAtMs: NOW_MS + 2 }))).toBe(
      NOW_MS + 2,
    );
    expect(await outcome(previous({ previousSecretExpiresAtMs: NOW_MS }))).toBe('API_KEY_MISSING');
    expect(await outcome(previous({ previousSecretExpiresAtMs: null }))).toBe('API_KEY_MISSING');
  });

  it('is a case for 503 if the clocks disagree whether it has expired', async () => {
    const undecidable = { hasPassed: () => undefined };
    expect(await outcome({ ...withRecord({ expiresAtMs: NOW_MS }), ...undecidable })).toBe(
      'EXPIRY_UNDECIDABLE',
    );
    expect(
      await outcome({
        ...withRecord({ previousSecretExpiresAtMs: NOW_MS }),
        ...undecidable,
        match: () => 'previous',
      }),
    ).toBe('EXPIRY_UNDECIDABLE');
  });

  it('reveals its state only to a caller with its secret', async () => {
    for (const fields of [{ revokedAtMs: 1 }, { expiresAtMs: 1 }, { internal: true }])
      expect(await outcome({ ...withRecord(fields), match: () => 'none' })).toBe('API_KEY_MISSING');
  });

  it('is refused as unknown, or with 503 while the region may lack keys', async () => {
    const unknown = { keys: { get: async () => undefined } };
    expect(await outcome(unknown)).toBe('API_KEY_MISSING');
    expect(await outcome({ ...unknown, mayLackKeys: () => false })).toBe('API_KEY_MISSING');
    expect(await outcome({ ...unknown, mayLackKeys: () => true })).toBe('REPLICA_INCOMPLETE');
    const wrong = { ...withRecord({}), match: () => 'none' as const };
    expect(await outcome({ ...wrong, mayLackKeys: () => true })).toBe('REPLICA_INCOMPLETE');
  });

  it('needs client authentication if it is internal, and refuses any if it is external', async () => {
    const proofs: ClientProof[] = [
      EXTERNAL,
      { secret: 'wrong', certificate: false },
      { secret: 'trusted', certificate: false },
      { secret: undefined, certificate: true },
    ];
    const refused = (fields: Partial<KeyRecord>) =>
      Promise.all(proofs.map(async (proof) => (await outcome(withRecord(fields), proof)) !== Infinity));
    expect(await refused({ internal: true })).toEqual([true, true, false, false]);
    expect(await refused({ internal: false })).toEqual([false, true, true, true]);
    expect(await outcome(withRecord({ internal: true }))).toBe('CLIENT_AUTHENTICATION');
    const message = (internal: boolean, client: ClientProof) =>
      authenticator(withRecord({ internal }))
        .authenticate({ authorization, client, network: '192.0.2.1' })
        .catch((error: Error) => error.message);
    expect(await message(true, EXTERNAL)).toMatch(/is internal: .*only with client authentication/);
    expect(await message(false, { ...EXTERNAL, certificate: true })).toMatch(/is external: .*only without/);
  });
});

describe('an Authorization header', () => {
  const decode = (header: string | undefined) => {
    try {
      return authenticator(withRecord({})).decode(header);
    } catch (error) {
      return (error as Error).message;
    }
  };
  const encoded = authorization.slice('ApiKey '.length);

  it('has the scheme ApiKey in any case, and may have more spaces', () => {
    for (const header of [authorization, `apikey ${encoded}`, `APIKEY   ${encoded} `])
      expect(decode(header)).toEqual(credential);
  });

  it('is refused with the reason', () => {
    expect(decode(undefined)).toContain('is missing');
    expect(decode('')).toContain('is missing');
    expect(decode(`Bearer ${encoded}`)).toContain('Bearer tokens are not accepted');
    expect(decode(`Basic ${encoded}`)).toContain('scheme is not ApiKey');
    expect(decode(encoded)).toContain('scheme is not ApiKey');
    expect(decode('ApiKey')).not.toEqual(credential);
    expect(decode(`ApiKey ${encoded.slice(0, -1)}`)).toEqual(expect.any(String));
  });
});
