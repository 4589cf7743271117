import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RecentChanges } from '../../../../src/keys/change-feed/recent-changes.ts';
import type { KeyStore, LoadedKey } from '../../../../src/keys/key-store.ts';
import { createDatabases, type TestDatabases } from '../../../support/databases.ts';
import { startKeyStores } from '../../../support/key-stores.ts';
import { insertKey, newCredential, revokeKey } from '../../../support/keys.ts';

let databases: TestDatabases;

beforeAll(async () => {
  databases = await createDatabases();
});
afterAll(() => databases?.close());

/** Delays the results of the inner store until the test opens the gate. */
class Gate implements KeyStore {
  readonly #inner: KeyStore;
  readonly #open = Promise.withResolvers<void>();
  readonly #read = Promise.withResolvers<LoadedKey | undefined>();
  /** The first result of the inner store. */
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

/** The fence without its effect: no change is ever recent. */
class DisabledFence extends RecentChanges {
  override keyVersion(): number {
    return -1;
  }
}

/**
 * Stops a fill after its read of Postgres, applies a change to every cache and then continues the fill.
 * @returns the result of that read, and the result of the next lookup
 */
async function overtake(
  Changes: typeof RecentChanges,
  id: string,
  change: () => Promise<unknown>,
): Promise<{ read: LoadedKey | undefined; next: LoadedKey | undefined }> {
  const gates: Gate[] = [];
  const stores = await startKeyStores(
    databases,
    (postgres) => {
      const gate = new Gate(postgres);
      gates.push(gate);
      return gate;
    },
    Changes,
  );
  try {
    const filled = stores.memory.get({ id, digest: 'first' });
    const read = await gates[0]?.read;
    await change();
    await expect
      .poll(() => stores.applied.some((one) => one.entity === 'key' && one.id === id), {
        interval: 2,
        timeout: 10_000,
      })
      .toBe(true);
    gates[0]?.open();
    await filled;
    return { read, next: await stores.memory.get({ id, digest: 'second' }) };
  } finally {
    await stores.stop();
  }
}

describe('a fill that a change overtakes between its read and its store', () => {
  async function whileRevoked(Changes: typeof RecentChanges) {
    const key = await insertKey(databases.primary);
    await databases.replicated();
    const { read, next } = await overtake(Changes, key.id, () => revokeKey(databases.primary, key.id));
    expect(read?.record.revokedAtMs, 'the record that the fill read').toBeNull();
    return next?.record.revokedAtMs;
  }

  it('does not bring back a revoked key', async () => {
    expect(await whileRevoked(RecentChanges)).toEqual(expect.any(Number));
  });

  it('would bring back the revoked key without the fence', async () => {
    expect(await whileRevoked(DisabledFence)).toBeNull();
  });

  async function whileCreated(Changes: typeof RecentChanges) {
    const id = newCredential().id;
    const { read, next } = await overtake(Changes, id, async () => {
      const key = await insertKey(databases.primary);
      await databases.primary.query('UPDATE api_keys SET id = $2 WHERE id = $1', [key.id, id]);
    });
    expect(read).toBeUndefined();
    return next?.record.id === id;
  }

  it('does not hide a created key', async () => {
    expect(await whileCreated(RecentChanges)).toBe(true);
  });

  it('would hide the created key without the fence', async () => {
    expect(await whileCreated(DisabledFence)).toBe(false);
  });
});
