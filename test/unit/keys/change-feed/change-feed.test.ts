import pino from 'pino';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Change } from '../../../../src/keys/change-feed/change.ts';
import { ChangeFeed } from '../../../../src/keys/change-feed/change-feed.ts';
import type {
  Batch,
  ChangeSource,
  ConnectLimits,
  Lag,
} from '../../../../src/keys/change-feed/change-source.ts';
import { ClockCheck } from '../../../../src/keys/change-feed/clock-check.ts';
import { Freshness } from '../../../../src/keys/change-feed/freshness.ts';
import { LoginWatch } from '../../../../src/keys/change-feed/login-sessions.ts';
import { RecentChanges } from '../../../../src/keys/change-feed/recent-changes.ts';
import { ReplicaTrust, type SharedCounters } from '../../../../src/keys/change-feed/replica-trust.ts';
import { ReplicationWatch } from '../../../../src/keys/change-feed/replication-watch.ts';
import { goodEvidence } from '../../../support/evidence.ts';

const key = (id: string, version: number): Change => ({ entity: 'key', id, version });

/** A source with scripted results. */
class ScriptedSource implements ChangeSource {
  connections: { onNotify: () => void; onDisconnect: (error: Error) => void }[] = [];
  backlog: Change[] = [];
  batches: (Batch | Error)[] = [];
  reads = 0;
  evidence: Pick<Lag, 'evidence' | 'breakReason'> = { evidence: goodEvidence };

  async connect(
    onNotify: () => void,
    onDisconnect: (error: Error) => void,
    _limits?: ConnectLimits,
  ): Promise<void> {
    this.connections.push({ onNotify, onDisconnect });
  }
  async readBacklog() {
    return { changes: this.backlog, trustedSinceMs: 0 };
  }
  async read(): Promise<Batch> {
    this.reads += 1;
    const next = this.batches.shift() ?? { changes: [], more: false };
    if (next instanceof Error) throw next;
    return next;
  }
  async lag(): Promise<Lag | undefined> {
    return { applySeconds: 0, heartbeatAgeSeconds: 0, complete: true, ...this.evidence };
  }
  async endBlockingSessions() {
    return { ended: 0, notifyQueueUsage: 0 };
  }
  close(): void {}
}

let feed: ChangeFeed;
afterEach(async () => {
  vi.useRealTimers();
  await feed.stop();
});

function start(
  source: ScriptedSource,
  checkIntervalMs = 60_000,
  slowAfterMs = 1_000,
  shared?: SharedCounters,
) {
  let nowMs = 1_000_000;
  let monotonicMs = 0;
  const now = () => nowMs;
  const freshness = new Freshness(now, { revalidateAfterMs: 2_000, maxStalenessMs: 900_000 });
  const changes = new RecentChanges(now, { ttlMs: 60_000, maxEntries: 100 });
  const applied: Change[] = [];
  const failures = { count: 0 };
  const caughtUp = { count: 0 };
  const lines: string[] = [];
  const logger = pino({}, { write: (line) => void lines.push(line) });
  // The monotonic clock stands still, so `advance` sets the clock of the pod.
  const clock = new ClockCheck({ now, monotonicNow: () => monotonicMs, logger, toleranceMs: 5_000 });
  const replication = new ReplicationWatch({ maxAgeMs: undefined, logger });
  const trust = new ReplicaTrust({ shared, logger });
  feed = new ChangeFeed({
    source,
    freshness,
    changes,
    clock,
    listeners: [{ apply: (change) => void applied.push(change) }],
    replication,
    trust,
    login: new LoginWatch(logger),
    logger,
    now,
    checkIntervalMs,
    windowMs: 60_000,
    windowLimit: 100,
    connectTimeoutMs: 500,
    slowAfterMs,
    onFailure: () => {
      failures.count += 1;
    },
    onCaughtUp: () => {
      caughtUp.count += 1;
    },
  });
  feed.start();
  const advance = (ms: number) => {
    nowMs += ms;
  };
  const advanceMonotonic = (ms: number) => {
    monotonicMs += ms;
  };
  const messages = () => lines.map((line) => JSON.parse(line).msg);
  return {
    freshness,
    changes,
    applied,
    now,
    advance,
    advanceMonotonic,
    clock,
    failures,
    caughtUp,
    lines,
    messages,
    replication,
    trust,
  };
}

describe('ChangeFeed', () => {
  it('waits before it reconnects, although a failed connection also reports its end', async () => {
    const source = new ScriptedSource();
    source.connect = async (onNotify, onDisconnect) => {
      source.connections.push({ onNotify, onDisconnect });
      setImmediate(onDisconnect, new Error('the connection ended'));
      throw new Error('connection refused');
    };
    start(source);
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(source.connections.length, 'after 0, 50 and 150 ms').toBeLessThanOrEqual(3);
  });

  it('logs why a new generation began, but not the generation that it starts with', async () => {
    const source = new ScriptedSource();
    source.evidence = { evidence: goodEvidence, breakReason: 'start' };
    const { lines, applied } = start(source);
    await expect.poll(() => feed.caughtUp).toBe(true);
    source.evidence = { evidence: { ...goodEvidence, generation: 'g2' }, breakReason: 'gap' };
    source.batches.push({ changes: [], more: false, hasNewEvidence: true });
    source.connections[0]?.onNotify();
    await expect.poll(() => applied).toContainEqual({ entity: 'history', generation: 'g2' });
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ generation: 'g2', reason: 'gap', msg: expect.stringContaining('(gap)') }),
    ]);
  });

  it('logs breaks of one reason once a minute, and those of others at once', async () => {
    const source = new ScriptedSource();
    source.evidence = { evidence: goodEvidence, breakReason: 'start' };
    const { lines, applied } = start(source);
    await expect.poll(() => feed.caughtUp).toBe(true);
    for (const [nth, breakReason] of ['difference', 'difference', 'difference', 'gap'].entries()) {
      const generation = `after ${nth}`;
      source.evidence = { evidence: { ...goodEvidence, generation }, breakReason };
      source.batches.push({ changes: [], more: false, hasNewEvidence: true });
      source.connections[0]?.onNotify();
      await expect.poll(() => applied).toContainEqual({ entity: 'history', generation });
    }
    expect(lines.map((line) => JSON.parse(line).reason)).toEqual(['difference', 'gap']);
  });

  it.each([
    ['counter_backwards', true],
    ['repair', false],
  ])('names the chapter on lost revocations at a break by a loss: %s', async (breakReason, isNamed) => {
    const source = new ScriptedSource();
    source.evidence = { evidence: goodEvidence, breakReason: 'start' };
    const { lines } = start(source);
    await expect.poll(() => feed.caughtUp).toBe(true);
    source.evidence = { evidence: { ...goodEvidence, generation: 'g2' }, breakReason };
    source.batches.push({ changes: [], more: false, hasNewEvidence: true });
    source.connections[0]?.onNotify();
    await expect.poll(() => lines).toHaveLength(1);
    expect(lines[0]?.includes('docs/failover.md, Repeat lost revocations')).toBe(isNamed);
  });

  it('calls the replica complete only once it knows which rows of a new generation count', async () => {
    const source = new ScriptedSource();
    const redis = Promise.withResolvers<undefined>();
    const shared: SharedCounters = {
      nameOf: () => 'counter',
      read: (generation) => (generation === 'g2' ? redis.promise : Promise.resolve(undefined)),
      store: async () => {},
    };
    source.lag = async () => ({
      applySeconds: 0,
      heartbeatAgeSeconds: 60,
      complete: true,
      ...source.evidence,
    });
    const { replication, trust } = start(source, 60_000, 1_000, shared);
    await expect.poll(() => feed.caughtUp).toBe(true);
    expect([replication.mayLackKeys, trust.judgeKey(() => 7)]).toEqual([true, 'counts']);

    source.lag = async () => ({
      applySeconds: 0,
      heartbeatAgeSeconds: 0,
      complete: true,
      ...source.evidence,
    });
    source.evidence = { evidence: { ...goodEvidence, generation: 'g2', keyBuckets: [7] } };
    source.batches.push({ changes: [], more: false, hasNewEvidence: true });
    source.connections[0]?.onNotify();
    await expect.poll(() => source.batches.length).toBe(0);
    await new Promise(setImmediate);
    expect(replication.mayLackKeys, 'while Redis is asked for its counter').toBe(true);
    redis.resolve(undefined);
    await expect.poll(() => replication.mayLackKeys).toBe(false);
    expect(trust.judgeKey(() => 7)).toBe('refused');
  });

  it('examines the replica every second, also after the clock of the pod was set back', async () => {
    const source = new ScriptedSource();
    const examined = vi.spyOn(source, 'lag');
    const { advance, advanceMonotonic, caughtUp } = start(source, 5);
    await expect.poll(() => caughtUp.count).toBe(1);
    for (const ms of [3_600_000, -3_600_000, 0]) {
      const before = examined.mock.calls.length;
      advance(ms);
      advanceMonotonic(1_000);
      await expect.poll(() => examined.mock.calls.length).toBeGreaterThan(before);
    }
  });

  it('records the backlog and drops every entry that was cached before it', async () => {
    const source = new ScriptedSource();
    source.backlog = [key('a', 3), key('b', 4)];
    const { changes, applied } = start(source);
    await expect.poll(() => feed.caughtUp).toBe(true);
    expect([changes.keyVersion('a'), changes.keyVersion('b')]).toEqual([3, 4]);
    expect(applied, 'no replay of the backlog to the caches').toEqual([
      { entity: 'history', generation: 'g1' },
      { entity: 'everything' },
    ]);
  });

  it('does not count as caught up before it has read its backlog', async () => {
    const source = new ScriptedSource();
    const backlog = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    source.readBacklog = async () => {
      asked.resolve();
      await backlog.promise;
      return { changes: [key('a', 3)], trustedSinceMs: 5_000 };
    };
    const { changes, freshness, caughtUp } = start(source);
    await asked.promise;
    // A wake-up does not end the wait for the backlog.
    source.connections[0]?.onNotify();
    await new Promise(setImmediate);
    expect({ feed: feed.caughtUp, reported: caughtUp.count, reads: source.reads }).toEqual({
      feed: false,
      reported: 0,
      reads: 0,
    });
    expect(changes.trustedSinceMs, 'no copy of another pod counts').toBe(Number.POSITIVE_INFINITY);
    expect(freshness.appliedUntilMs).toBe(Number.NEGATIVE_INFINITY);

    backlog.resolve();
    await expect.poll(() => source.reads).toBe(1);
    expect([feed.caughtUp, caughtUp.count, changes.trustedSinceMs]).toEqual([true, 1, 5_000]);
    expect(changes.keyVersion('a')).toBe(3);
  });

  it('reads its backlog on the next connection if the first breaks before it has', async () => {
    const source = new ScriptedSource();
    const readBacklog = source.readBacklog.bind(source);
    source.backlog = [key('a', 3)];
    source.readBacklog = async () => {
      source.readBacklog = readBacklog;
      throw new Error('cut');
    };
    const { changes, caughtUp } = start(source);
    await expect.poll(() => source.reads).toBe(1);
    expect([source.connections.length, feed.caughtUp, caughtUp.count]).toEqual([2, true, 1]);
    expect(changes.keyVersion('a')).toBe(3);
    source.connections[1]?.onDisconnect(new Error('cut'));
    await expect.poll(() => source.reads).toBe(2);
    expect(caughtUp.count, 'once, at the start').toBe(1);
  });

  it('moves appliedUntilMs only after the last batch, to the time before the read', async () => {
    const source = new ScriptedSource();
    source.batches = [
      { changes: [key('a', 1)], more: true },
      { changes: [key('a', 2)], more: false },
    ];
    const { freshness, applied, now, advance } = start(source);
    await expect.poll(() => freshness.appliedUntilMs).toBe(now());
    expect(applied.slice(2)).toEqual([key('a', 1), key('a', 2)]);

    const read = source.read.bind(source);
    const beforeMs = now();
    source.read = async () => {
      advance(700); // the query takes a while
      return await read();
    };
    source.connections[0]?.onNotify();
    await expect.poll(() => source.reads).toBe(3);
    expect(freshness.appliedUntilMs).toBe(beforeMs);
  });

  it('applies changes but keeps appliedUntilMs while the source is behind', async () => {
    const source = new ScriptedSource();
    const { freshness, applied, now, advance } = start(source);
    await expect.poll(() => freshness.appliedUntilMs).toBe(now());
    const completeAtMs = now();
    advance(5_000);
    source.batches = [{ changes: [key('a', 1)], more: false, behind: true }];
    source.connections[0]?.onNotify();
    await expect.poll(() => applied.at(-1)).toEqual(key('a', 1));
    expect([freshness.appliedUntilMs, feed.counts.broken, feed.failure]).toEqual([
      completeAtMs,
      0,
      undefined,
    ]);
    source.connections[0]?.onNotify();
    await expect.poll(() => freshness.appliedUntilMs).toBe(now());
  });

  it('keeps appliedUntilMs while it cannot read, and catches up on a new connection', async () => {
    const source = new ScriptedSource();
    const { freshness, applied, now, advance } = start(source);
    await expect.poll(() => freshness.appliedUntilMs).toBe(now());
    const disconnectedAtMs = now();
    advance(5_000);
    source.batches = [new Error('too slow'), { changes: [key('a', 7)], more: false }];
    const connect = source.connect.bind(source);
    source.connect = async (...callbacks) => {
      expect([feed.connected, freshness.appliedUntilMs]).toEqual([false, disconnectedAtMs]);
      await connect(...callbacks);
    };
    source.connections[0]?.onNotify();
    await expect.poll(() => applied.at(-1)).toEqual(key('a', 7));
    expect([feed.counts.broken, source.connections.length]).toEqual([1, 2]);
    expect(freshness.appliedUntilMs).toBe(now());
  });

  it('reports a slow replica before it responds, and applies its changes without a new connection', async () => {
    const source = new ScriptedSource();
    const { applied, failures, messages } = start(source, 60_000, 20);
    await expect.poll(() => source.reads).toBe(1);
    expect(failures.count).toBe(0);
    const response = Promise.withResolvers<Batch>();
    source.read = () => response.promise;
    source.connections[0]?.onNotify();
    await expect.poll(() => failures.count).toBeGreaterThan(1);
    expect(feed.failure).toBe('the replica responds slowly');
    source.read = async () => ({ changes: [], more: false });
    response.resolve({ changes: [key('a', 7)], more: false });
    await expect.poll(() => applied.at(-1)).toEqual(key('a', 7));
    expect([source.connections.length, feed.counts.broken]).toEqual([1, 0]);
    await expect.poll(() => feed.failure).toBeUndefined();
    expect(messages()).toEqual([
      'the replica responds slowly; the change feed waits for it',
      'the change feed works again',
    ]);
  });

  it('works again after a read in time, and not after a slow one', async () => {
    const source = new ScriptedSource();
    source.batches = [new Error('cut')];
    const { advanceMonotonic, messages } = start(source, 60_000, 1_000);
    const read = source.read.bind(source);
    const takesMs = [1_000, 999];
    source.read = async () => {
      if (feed.failure !== undefined) advanceMonotonic(takesMs.shift() ?? 0);
      return await read();
    };
    await expect.poll(() => takesMs).toEqual([999]);
    await new Promise(setImmediate);
    expect(feed.failure).toBe('cut');
    source.connections.at(-1)?.onNotify();
    await expect.poll(() => feed.failure).toBeUndefined();
    expect(messages()).toEqual(['the change feed failed; reconnecting', 'the change feed works again']);
  });

  it('connects again at least once per second, and logs one line per cause of an outage', async () => {
    vi.useFakeTimers();
    const source = new ScriptedSource();
    let attempts = 0;
    let cause = 'refused';
    source.connect = async () => {
      attempts += 1;
      throw new Error(cause);
    };
    const { messages, failures } = start(source);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([attempts, failures.count, feed.counts.broken]).toEqual([64, 64, 64]);
    expect(messages()).toHaveLength(1);
    cause = 'timeout';
    await vi.advanceTimersByTimeAsync(10_000);
    expect(messages()).toHaveLength(2);
  });

  it('counts and logs no failure of a connection that it closes itself', async () => {
    const source = new ScriptedSource();
    const { failures, lines } = start(source);
    await expect.poll(() => source.reads).toBe(1);
    const reading = Promise.withResolvers<Batch>();
    source.read = () => reading.promise;
    source.close = () => reading.reject(new Error('closed'));
    source.connections[0]?.onNotify();
    await new Promise(setImmediate);
    await feed.stop();
    expect([feed.counts.broken, failures.count, lines]).toEqual([0, 0, []]);
  });

  it.each([
    ['within a second of the last evidence', 999, {}, 0],
    ['a second after the last evidence', 1_000, {}, 1],
    ['while the replica is incomplete', 0, { complete: false }, 1],
    ['while the replica does not count', 0, { evidence: { ...goodEvidence, isContacted: false } }, 1],
  ])('reads the evidence with a read %s: %i ms, %o', async (_, afterMs, lag, times) => {
    const source = new ScriptedSource();
    let examined = 0;
    source.lag = async () => {
      examined += 1;
      return { applySeconds: 0, heartbeatAgeSeconds: 0, complete: true, evidence: goodEvidence, ...lag };
    };
    const { advanceMonotonic } = start(source);
    await expect.poll(() => source.reads).toBe(1);
    await new Promise(setImmediate);
    examined = 0;
    advanceMonotonic(afterMs);
    source.connections[0]?.onNotify();
    await expect.poll(() => source.reads).toBe(2);
    await new Promise(setImmediate);
    expect(examined).toBe(times);
  });

  it('gives each attempt to connect more time until one succeeds', async () => {
    const source = new ScriptedSource();
    const timeoutsMs: (number | undefined)[] = [];
    source.connect = async (onNotify, onDisconnect, limits) => {
      timeoutsMs.push(limits?.timeoutMs);
      if (timeoutsMs.length <= 4) throw new Error('timeout');
      source.connections.push({ onNotify, onDisconnect });
    };
    start(source);
    await expect.poll(() => source.reads, { timeout: 5_000 }).toBe(1);
    source.connections[0]?.onDisconnect(new Error('the connection ended'));
    await expect.poll(() => timeoutsMs).toEqual([500, 2_000, 8_000, 10_000, 10_000, 500]);
  });

  it('drops every entry and every time when the clock becomes wrong, and when it becomes right again', async () => {
    const source = new ScriptedSource();
    const replicaTimeMs = 1_000_000;
    source.batches = [{ changes: [], more: false, replicaTimeMs }];
    const { freshness, changes, applied, now, advance, clock } = start(source);
    await expect.poll(() => freshness.appliedUntilMs).toBe(now());
    expect(clock.isRight).toBe(true);
    applied.length = 0;

    advance(3_600_000);
    source.batches = [{ changes: [key('a', 1)], more: false, replicaTimeMs }];
    source.connections[0]?.onNotify();
    await expect.poll(() => freshness.appliedUntilMs).toBe(now());
    expect(clock.isRight).toBe(false);
    expect(applied).toEqual([{ entity: 'everything' }, key('a', 1)]);

    advance(-3_600_000);
    source.batches = [{ changes: [], more: false, replicaTimeMs }];
    source.connections[0]?.onNotify();
    await expect.poll(() => freshness.appliedUntilMs).toBe(now());
    expect(clock.isRight).toBe(true);
    expect(applied.at(-1)).toEqual({ entity: 'everything' });
    expect(changes.trustedSinceMs, 'no copy from before').toBeGreaterThan(now());
    expect(changes.trustedSinceMs, 'not a time of the wrong clock').toBeLessThan(now() + 60_000);
  });

  it('keeps no time of a wrong clock that is corrected while the replica is unreachable', async () => {
    const source = new ScriptedSource();
    const replicaTimeMs = 1_000_000;
    source.batches = [{ changes: [], more: false, replicaTimeMs }];
    const { freshness, applied, now, advance } = start(source);
    await expect.poll(() => freshness.appliedUntilMs).toBe(now());
    advance(3_600_000);
    source.batches = [{ changes: [], more: false, replicaTimeMs }];
    source.connections[0]?.onNotify();
    await expect.poll(() => freshness.appliedUntilMs).toBe(now());
    applied.length = 0;

    advance(-3_600_000);
    source.connect = () => Promise.reject(new Error('unreachable'));
    source.connections[0]?.onDisconnect(new Error('cut'));
    await expect.poll(() => applied).toEqual([{ entity: 'everything' }]);
    advance(3_600_000);
    expect(freshness.judge(now() - 3_600_000), 'an hour later').toBe('expired');
  });

  it('ignores the end of an earlier connection while the next one is in use', async () => {
    const source = new ScriptedSource();
    start(source);
    await expect.poll(() => source.reads).toBe(1);
    source.connections[0]?.onDisconnect(new Error('cut'));
    await expect.poll(() => source.reads).toBe(2);
    source.connections[0]?.onDisconnect(new Error('cut, reported again'));
    source.connections[1]?.onNotify();
    await expect.poll(() => source.reads).toBeGreaterThanOrEqual(3);
    expect([feed.counts.broken, source.connections.length]).toEqual([1, 2]);
  });

  it('reads at every interval without a notification', async () => {
    const source = new ScriptedSource();
    start(source, 5);
    await expect.poll(() => source.reads).toBeGreaterThan(5);
  });
});
