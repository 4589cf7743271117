import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecentFailures, type Trust } from '../../../src/keys/recent-failures.ts';
import { TrustQueue } from '../../../src/keys/trust-queue.ts';

const TRUST: readonly Trust[] = ['clean', 'targeted', 'failing'];
const anyTrust = fc.constantFrom(...TRUST);
const any = () => true;

describe('TrustQueue', () => {
  it('gives half of the turns to clean items and a quarter to each other class, while all wait', () => {
    const queue = new TrustQueue<number>(1_000);
    for (let nth = 0; nth < 100; nth += 1) for (const trust of TRUST) queue.push(trust, ['o'], nth);
    const turns = Array.from({ length: 40 }, () => queue.shift(any)?.trust);
    for (const [trust, count] of Object.entries({ clean: 20, targeted: 10, failing: 10 })) {
      expect(turns.filter((turn) => turn === trust)).toHaveLength(count);
    }
  });

  it('serves and keeps items that have waited for at most a second before older ones of their class', () => {
    let nowMs = 0;
    const queue = new TrustQueue<string>(3, () => nowMs);
    for (const old of ['1', '2', '3']) queue.push('clean', ['o', old], `old ${old}`);
    nowMs = 1_001;
    expect(queue.shift(any)?.item).toBe('old 3');
    queue.push('clean', ['o', '4'], 'young 4');
    expect(queue.push('clean', ['o', '5'], 'young 5')?.shed).toBe('old 1');
    expect(['young 4', 'young 5', 'old 2'].map(() => queue.shift(any)?.item)).toEqual([
      'young 4',
      'young 5',
      'old 2',
    ]);
  });

  it('gives unused turns to the others, and none to a class that may have no turn', () => {
    const queue = new TrustQueue<number>(10);
    queue.push('failing', ['o'], 1);
    queue.push('failing', ['o'], 2);
    expect(queue.shift(any)).toEqual({ item: 1, trust: 'failing' });
    expect(queue.shift((trust) => trust === 'clean')).toBeUndefined();
    expect(queue.shift(any)).toEqual({ item: 2, trust: 'failing' });
    expect(queue.shift(any)).toBeUndefined();
  });

  it('is never longer than its limit, sheds only when full, and loses nothing else', () => {
    const step = fc.oneof(
      fc.record({ trust: anyTrust, owner: fc.integer({ min: 0, max: 4 }) }),
      fc.constant('shift' as const),
    );
    fc.assert(
      fc.property(fc.nat(12), fc.array(step, { maxLength: 200 }), (limit, steps) => {
        const queue = new TrustQueue<number>(limit);
        const inside = new Set<number>();
        for (const [nth, what] of steps.entries()) {
          if (what === 'shift') {
            const next = queue.shift(any);
            if (next === undefined) expect(inside.size).toBe(0);
            else expect(inside.delete(next.item)).toBe(true);
          } else {
            const wasFull = queue.size === limit;
            const dropped = queue.push(what.trust, ['o', String(what.owner)], nth);
            inside.add(nth);
            expect(dropped !== undefined).toBe(wasFull);
            if (dropped !== undefined) expect(inside.delete(dropped.shed)).toBe(true);
          }
          expect(queue.size).toBe(inside.size);
          expect(queue.size).toBeLessThanOrEqual(limit);
        }
      }),
    );
  });

  it('never sheds an item of a class within its share, whatever the other classes send', () => {
    fc.assert(
      fc.property(fc.array(anyTrust, { maxLength: 300 }), (pushes) => {
        const shares = { clean: 16, targeted: 8, failing: 8 };
        const queue = new TrustQueue<number>(32);
        for (const [nth, trust] of pushes.entries()) {
          const dropped = queue.push(trust, ['o'], nth);
          if (dropped === undefined) continue;
          expect(queue.sizeOf(dropped.trust)).toBeGreaterThanOrEqual(shares[dropped.trust]);
        }
      }),
    );
  });
});

describe('RecentFailures', () => {
  it('knows an id with a wrong secret, and from which network it came', () => {
    const failures = new RecentFailures();
    expect(failures.trust('id', 'a')).toBe('clean');
    failures.recordWrong('id', 'a');
    expect(['a', 'b'].map((network) => failures.trust('id', network))).toEqual(['failing', 'targeted']);
    expect(failures.trust('other', 'a')).toBe('clean');
    failures.recordRight('id', 'a');
    expect(failures.trust('id', 'a')).toBe('targeted');
  });

  it('blocks a network that fails too often for an id until the minute ends, and no other', () => {
    let nowMs = 0;
    const failures = new RecentFailures(() => nowMs);
    for (let nth = 1; nth < 30; nth += 1) failures.recordWrong('id', 'a');
    expect(failures.blockedForMs('id', 'a')).toBe(0);
    nowMs = 20_000;
    failures.recordWrong('id', 'a');
    expect(failures.blockedForMs('id', 'a')).toBe(40_000);
    failures.recordRight('id', 'a');
    expect(failures.blockedForMs('id', 'a'), 'a holder could reset it').toBe(40_000);
    expect([failures.blockedForMs('id', 'b'), failures.blockedForMs('other', 'a')]).toEqual([0, 0]);
    nowMs = 60_001;
    expect(failures.blockedForMs('id', 'a')).toBe(0);
    failures.recordWrong('id', 'a');
    expect(failures.blockedForMs('id', 'a')).toBe(0);
  });

  it('is bounded: 100,000 failing callers take the place of the oldest', () => {
    const failures = new RecentFailures();
    for (let nth = 0; nth < 100_000; nth += 1) failures.recordWrong(`id-${nth}`, 'a');
    const remembered = Array.from({ length: 100_000 }, (_, nth) => failures.trust(`id-${nth}`, 'a'));
    expect(remembered.filter((trust) => trust !== 'clean')).toHaveLength(20_000);
  });
});
