import pino from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { Change } from '../../../../src/keys/change-feed/change.ts';
import { ChangeFeed } from '../../../../src/keys/change-feed/change-feed.ts';
import type { Batch, ChangeSource, Lag } from '../../../../src/keys/change-feed/change-source.ts';
import { Freshness } from '../../../../src/keys/change-feed/freshness.ts';
import { RecentChanges } from '../../../../src/keys/change-feed/recent-changes.ts';

const key = (id: string, version: number): Change => ({ entity: 'key', id, version });

/** A source whose every answer the test decides. */
class ScriptedSource implements ChangeSource {
  connections: { wake: () => void; broken: (error: Error) => void }[] = [];
  past: Change[] = [];
  batches: (Batch | Error)[] = [];
  reads = 0;

  async connect(wake: () => void, broken: (error: Error) => void): Promise<void> {
    this.connections.push({ wake, broken });
  }
  async begin() {
    return { changes: this.past, trustedSinceMs: 0 };
  }
  async read(): Promise<Batch> {
    this.reads += 1;
    const next = this.batches.shift() ?? { changes: [], more: false };
    if (next instanceof Error) throw next;
    return next;
  }
  async lag(): Promise<Lag | undefined> {
    return undefined;
  }
  close(): void {}
}

let feed: ChangeFeed;
afterEach(() => feed.stop());

function start(source: ScriptedSource, checkIntervalMs = 60_000) {
  let nowMs = 1_000_000;
  const now = () => nowMs;
  const freshness = new Freshness(now, { revalidateAfterMs: 2_000, maxStalenessMs: 900_000 });
  const changes = new RecentChanges(now, { ttlMs: 60_000, maxEntries: 100 });
  const heard: Change[] = [];
  feed = new ChangeFeed({
    source,
    freshness,
    changes,
    listeners: [{ apply: (change) => void heard.push(change) }],
    logger: pino({ level: 'silent' }),
    now,
    checkIntervalMs,
    windowMs: 60_000,
    windowLimit: 100,
  });
  feed.start();
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { freshness, changes, heard, now, pass };
}

describe('the change feed', () => {
  it('pauses before it tries again, although a connection that failed reports its end once more', async () => {
    const source = new ScriptedSource();
    source.connect = async (wake, broken) => {
      source.connections.push({ wake, broken });
      setImmediate(broken, new Error('the connection ended'));
      throw new Error('connection refused');
    };
    start(source);
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(source.connections.length, 'after 0, 50 and 150 ms').toBeLessThanOrEqual(3);
  });

  it('begins by remembering what changed lately, and by dropping what was cached before it began', async () => {
    const source = new ScriptedSource();
    source.past = [key('a', 3), key('b', 4)];
    const { changes, heard } = start(source);
    await expect.poll(() => feed.caughtUp).toBe(true);
    expect([changes.keyVersion('a'), changes.keyVersion('b')]).toEqual([3, 4]);
    expect(heard, 'no replay of the last minutes towards the caches').toEqual([{ entity: 'everything' }]);
  });

  it('says it is whole only when everything there was has been applied, and as of before it asked', async () => {
    const source = new ScriptedSource();
    source.batches = [
      { changes: [key('a', 1)], more: true },
      { changes: [key('a', 2)], more: false },
    ];
    const { freshness, heard, now, pass } = start(source);
    await expect.poll(() => freshness.appliedUntilMs).toBe(now());
    expect(heard.slice(1)).toEqual([key('a', 1), key('a', 2)]);

    const read = source.read.bind(source);
    const beforeMs = now();
    source.read = async () => {
      pass(700); // the query takes a while
      return await read();
    };
    source.connections[0]?.wake();
    await expect.poll(() => source.reads).toBe(3);
    expect(freshness.appliedUntilMs).toBe(beforeMs);
  });

  it('is not whole while it cannot read, and catches up on a new connection', async () => {
    const source = new ScriptedSource();
    const { freshness, heard, now, pass } = start(source);
    await expect.poll(() => freshness.appliedUntilMs).toBe(now());
    const brokenAtMs = now();
    pass(5_000);
    source.batches = [new Error('too slow'), { changes: [key('a', 7)], more: false }];
    const connect = source.connect.bind(source);
    source.connect = async (...callbacks) => {
      expect([feed.connected, freshness.appliedUntilMs]).toEqual([false, brokenAtMs]);
      await connect(...callbacks);
    };
    source.connections[0]?.wake();
    await expect.poll(() => heard.at(-1)).toEqual(key('a', 7));
    expect([feed.counts.broken, source.connections.length]).toEqual([1, 2]);
    expect(freshness.appliedUntilMs).toBe(now());
  });

  it('is not disturbed by a connection that reports its end when the next one is in use', async () => {
    const source = new ScriptedSource();
    start(source);
    await expect.poll(() => source.reads).toBe(1);
    source.connections[0]?.broken(new Error('cut'));
    await expect.poll(() => source.reads).toBe(2);
    source.connections[0]?.broken(new Error('cut, and told again'));
    source.connections[1]?.wake();
    await expect.poll(() => source.reads).toBeGreaterThanOrEqual(3);
    expect([feed.counts.broken, source.connections.length]).toEqual([1, 2]);
  });

  it('reads at every interval, though nobody wakes it', async () => {
    const source = new ScriptedSource();
    start(source, 5);
    await expect.poll(() => source.reads).toBeGreaterThan(5);
  });
});
