import { describe, expect, it } from 'vitest';
import { RecentChanges } from '../../../../src/keys/change-feed/recent-changes.ts';

function remembering(nowMs = () => 1_000_000, maxEntries = 10): RecentChanges {
  return new RecentChanges(nowMs, { ttlMs: 60_000, maxEntries });
}

describe('what has changed lately', () => {
  it('vouches for no copy of another pod before the feed has begun', () => {
    const changes = remembering();
    expect(changes.trustedSinceMs).toBe(Number.POSITIVE_INFINITY);
    changes.begin(5_000);
    expect(changes.trustedSinceMs).toBe(5_000);
  });

  it('keeps the highest version of a key, in whatever order changes come', () => {
    const changes = remembering();
    for (const version of [3, 9, 4]) changes.apply({ entity: 'key', id: 'k', version });
    expect(changes.keyVersion('k')).toBe(9);
    expect(changes.keyVersion('other')).toBe(-1);
  });

  it('marks each change of a scope of roles, also one with a lower version than the last', () => {
    const changes = remembering();
    const marks = [9, 8, 8].map((version) => {
      changes.apply({ entity: 'roles', id: 's', version });
      return changes.rolesMark('s');
    });
    expect(new Set(marks).size).toBe(3);
  });

  it('trusts no copy from before an order to forget everything, and still knows what it knew', () => {
    let nowMs = 1_000_000;
    const changes = remembering(() => nowMs);
    changes.begin(0);
    changes.apply({ entity: 'key', id: 'k', version: 9 });
    nowMs += 1_000;
    changes.apply({ entity: 'everything' });
    expect(changes.trustedSinceMs).toBeGreaterThanOrEqual(nowMs);
    expect(changes.generation).toBe(1);
    expect(changes.keyVersion('k'), 'a replica that is further behind brings nothing back').toBe(9);
  });

  it('trusts no copy from before a change that a flood of others pushed out', () => {
    let nowMs = 1_000_000;
    const changes = remembering(() => nowMs, 3);
    changes.begin(0);
    for (let nth = 0; nth < 5; nth += 1) {
      changes.apply({ entity: 'key', id: `k${nth}`, version: 1 });
      nowMs += 1_000;
    }
    expect(changes.keyVersion('k1')).toBe(-1);
    expect(changes.forgottenUntilMs).toBe(1_001_000);
    expect(changes.trustedSinceMs).toBeGreaterThanOrEqual(1_001_000);
  });
});
