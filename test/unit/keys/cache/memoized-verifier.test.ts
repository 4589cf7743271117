import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { MemoizedVerifier, type SharedMemos } from '../../../../src/keys/cache/memoized-verifier.ts';
import type { KeyRecord } from '../../../../src/keys/key-record.ts';
import { type LoadedKey, OverloadedError } from '../../../../src/keys/key-store.ts';
import type { IsGone, SecretMatch, SecretVerifier } from '../../../../src/keys/secret-verifier.ts';
import { keyRecord } from '../../../support/records.ts';

let nowMs = 1_000;
const now = () => nowMs;

/** Replaces argon2: a "hash" matches the secret with the same text. */
class CountingVerifier implements SecretVerifier {
  runs = 0;
  failure: Error | undefined;

  async match({ record }: LoadedKey, secret: string): Promise<SecretMatch> {
    this.runs += 1;
    await Promise.resolve();
    if (this.failure !== undefined) throw this.failure;
    if (record.secretHash === secret) return 'current';
    const inGrace = (record.previousSecretExpiresAtMs ?? 0) > now();
    return inGrace && record.previousSecretHash === secret ? 'previous' : 'none';
  }
}

class SharedMap implements SharedMemos {
  readonly memos = new Map<string, string>();
  reads = 0;

  async read(id: string, digest: string): Promise<{ verifiedHash: string } | undefined> {
    this.reads += 1;
    const verifiedHash = this.memos.get(`${id} ${digest}`);
    return verifiedHash === undefined ? undefined : { verifiedHash };
  }
  store(verified: { record: KeyRecord; verifiedHash: string }, digest: string): void {
    this.memos.set(`${verified.record.id} ${digest}`, verified.verifiedHash);
  }
}

function loaded(fields: Partial<KeyRecord> = {}): LoadedKey {
  const record = keyRecord('k', 1, { secretHash: 'right', ...fields });
  return { record, tier: 'memory', confirmedAtMs: 0, superseded: false, stale: false };
}

function verifier(shared?: SharedMemos) {
  const argon2 = new CountingVerifier();
  const memoized = new MemoizedVerifier(argon2, shared, (atMs) => atMs <= now(), 100);
  const match = (key: LoadedKey, secret: string) => memoized.match(key, secret, `digest of ${secret}`);
  return { argon2, match, memoized };
}

describe('a verified secret', () => {
  it('is not compared again', async () => {
    const { argon2, match } = verifier();
    for (let times = 0; times < 5; times += 1) expect(await match(loaded(), 'right')).toBe('current');
    expect(argon2.runs).toBe(1);
  });

  it('is compared for concurrent callers until all of them have left', async () => {
    const flight = Promise.withResolvers<SecretMatch>();
    let areAllGone: IsGone | undefined;
    const inner: SecretVerifier = {
      match: (_loaded, _secret, _digest, _peer, isGone) => {
        areAllGone = isGone;
        return flight.promise;
      },
    };
    const memoized = new MemoizedVerifier(inner, undefined, () => false, 100);
    const gone = new Set<string>();
    const results = ['first', 'second'].map((name) =>
      memoized.match(loaded(), 'right', 'digest', '', () => gone.has(name)),
    );
    await turn();
    const seen = [undefined, 'first', 'second'].map((name) => {
      if (name !== undefined) gone.add(name);
      return areAllGone?.();
    });
    flight.resolve('current');
    expect([seen, await Promise.all(results)]).toEqual([
      [false, false, true],
      ['current', 'current'],
    ]);
  });

  it('is compared once for concurrent callers', async () => {
    const { argon2, match } = verifier();
    const results = await Promise.all(Array.from({ length: 20 }, () => match(loaded(), 'right')));
    expect([new Set(results), argon2.runs]).toEqual([new Set(['current']), 1]);
  });

  it('is not compared again by the pod that takes over, nor by the one after it', async () => {
    const first = verifier();
    await first.match(loaded(), 'right');
    await first.match(loaded(), 'wrong');
    const left = first.memoized.memosToLeave();
    expect(left).toEqual([['digest of right', 'right']]);

    const second = verifier();
    second.memoized.takeOver(left);
    expect(second.memoized.memosToLeave(), 'also if it is not used').toEqual(left);
    expect([await second.match(loaded(), 'right'), second.argon2.runs]).toEqual(['current', 0]);
    expect(second.memoized.memosToLeave(), 'once it is used').toEqual(left);
  });

  it('that was taken over does not count once the key has another hash', async () => {
    const { argon2, match, memoized } = verifier();
    memoized.takeOver([['digest of right', 'right']]);
    expect(await match(loaded({ secretHash: 'rotated' }), 'right')).toBe('none');
    expect(argon2.runs).toBe(1);
  });

  it('is not compared again by another pod of the region', async () => {
    const shared = new SharedMap();
    await verifier(shared).match(loaded(), 'right');
    const { argon2, match } = verifier(shared);
    expect([await match(loaded(), 'right'), argon2.runs]).toEqual(['current', 0]);
  });

  it('is looked up in Redis only for a record from memory, as other lookups included it', async () => {
    const shared = new SharedMap();
    await verifier(shared).match({ ...loaded(), tier: 'postgres' }, 'right');
    expect(shared.reads).toBe(0);
    await verifier(shared).match(loaded(), 'right');
    expect(shared.reads).toBe(1);
  });

  it('is shared although its record was evicted, and not if the record is superseded', async () => {
    const shared = new SharedMap();
    await verifier(shared).match({ ...loaded(), stale: true, superseded: true }, 'right');
    expect(shared.memos.size).toBe(0);
    await verifier(shared).match({ ...loaded(), stale: true }, 'right');
    expect(shared.memos.size).toBe(1);
  });

  it('does not match another hash', async () => {
    const { match } = verifier(new SharedMap());
    await match(loaded(), 'right');
    expect(await match(loaded({ secretHash: 'rotated' }), 'right')).toBe('none');
  });

  it('matches as the previous secret during the grace period of a rotation, and not after it', async () => {
    const { argon2, match } = verifier();
    const late = verifier();
    for (const matchIn of [match, late.match]) await matchIn(loaded(), 'right');
    const rotated = loaded({
      secretHash: 'rotated',
      previousSecretHash: 'right',
      previousSecretExpiresAtMs: nowMs + 1_000,
    });
    expect(await match(rotated, 'right')).toBe('previous');
    expect(argon2.runs, 'no comparison for the previous secret').toBe(1);
    expect(await match(rotated, 'rotated')).toBe('current');
    nowMs += 1_000;
    expect(await match(rotated, 'right')).toBe('none');
    expect(await late.match(rotated, 'right'), 'in a pod that has not seen the grace period').toBe('none');
  });
});

describe('a wrong secret', () => {
  it('is not compared again within its ttl', async () => {
    const { argon2, match } = verifier();
    for (let times = 0; times < 5; times += 1) expect(await match(loaded(), 'wrong')).toBe('none');
    expect(argon2.runs).toBe(1);
  });

  it('matches as soon as a rotation makes it the current secret', async () => {
    const { match } = verifier();
    expect(await match(loaded(), 'next')).toBe('none');
    expect(await match(loaded({ secretHash: 'next' }), 'next')).toBe('current');
  });

  it('is never shared with other pods', async () => {
    const shared = new SharedMap();
    await verifier(shared).match(loaded(), 'wrong');
    expect(shared.memos.size).toBe(0);
  });
});

it('MemoizedVerifier does not cache a comparison that fails', async () => {
  const { argon2, match } = verifier();
  argon2.failure = new OverloadedError('busy');
  await expect(match(loaded(), 'right')).rejects.toThrow(OverloadedError);
  argon2.failure = undefined;
  expect(await match(loaded(), 'right')).toBe('current');
});
