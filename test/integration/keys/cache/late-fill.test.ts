import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RecentChanges } from '../../../../src/keys/change-feed/recent-changes.ts';
import type { KeyStore, LoadedKey } from '../../../../src/keys/key-store.ts';
import { startKeyStack } from '../../../support/key-stack.ts';
import { insertKey, newCredential, revokeKey } from '../../../support/keys.ts';
import { createWorld, type World } from '../../../support/world.ts';

let world: World;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world?.close());

/** Holds back each answer of Postgres that has been read, until the test lets it go. */
class Gate implements KeyStore {
  readonly #inner: KeyStore;
  readonly #open = Promise.withResolvers<void>();
  readonly #read = Promise.withResolvers<LoadedKey | undefined>();
  /** What Postgres said to the first who asked. */
  readonly read = this.#read.promise;
  readonly open = () => this.#open.resolve();

  constructor(inner: KeyStore) {
    this.#inner = inner;
  }

  async get(query: { id: string; digest: string }): Promise<LoadedKey | undefined> {
    const loaded = await this.#inner.get(query);
    this.#read.resolve(loaded);
    await this.#open.promise;
    return loaded;
  }
}

/** The real fence taken out: nothing that changed is remembered. */
class Forgetful extends RecentChanges {
  override keyVersion(): number {
    return -1;
  }
}

/**
 * Lets a fill read Postgres, holds it up until a change has reached every cache, and lets it go on.
 * @returns what the next one is told who asks after that
 */
async function overtake(
  Changes: typeof RecentChanges,
  id: string,
  change: () => Promise<unknown>,
): Promise<{ read: LoadedKey | undefined; next: LoadedKey | undefined }> {
  const gates: Gate[] = [];
  const stack = await startKeyStack(
    world,
    (postgres) => {
      const gate = new Gate(postgres);
      gates.push(gate);
      return gate;
    },
    Changes,
  );
  try {
    const asked = stack.memory.get({ id, digest: 'first' });
    const read = await gates[0]?.read;
    await change();
    await expect
      .poll(() => stack.applied.some((one) => one.entity === 'key' && one.id === id), {
        interval: 2,
        timeout: 10_000,
      })
      .toBe(true);
    gates[0]?.open();
    await asked;
    return { read, next: await stack.memory.get({ id, digest: 'second' }) };
  } finally {
    await stack.stop();
  }
}

describe('a fill that has read its key and is stopped before it stores it', () => {
  async function whileRevoked(Changes: typeof RecentChanges) {
    const key = await insertKey(world.primary);
    await world.replicated();
    const { read, next } = await overtake(Changes, key.id, () => revokeKey(world.primary, key.id));
    expect(read?.record.revokedAtMs, 'what the fill read').toBeNull();
    return next?.record.revokedAtMs;
  }

  it('does not bring back the key when a revocation lands in between', async () => {
    expect(await whileRevoked(RecentChanges)).toEqual(expect.any(Number));
  });

  it('would bring it back without the fence', async () => {
    expect(await whileRevoked(Forgetful)).toBeNull();
  });

  async function whileCreated(Changes: typeof RecentChanges) {
    const id = newCredential().id;
    const { read, next } = await overtake(Changes, id, async () => {
      const key = await insertKey(world.primary);
      await world.primary.query('UPDATE api_keys SET id = $2 WHERE id = $1', [key.id, id]);
    });
    expect(read).toBeUndefined();
    return next?.record.id === id;
  }

  it('does not hide the key when it was unknown and is created in between', async () => {
    expect(await whileCreated(RecentChanges)).toBe(true);
  });

  it('would hide it without the fence', async () => {
    expect(await whileCreated(Forgetful)).toBe(false);
  });
});
