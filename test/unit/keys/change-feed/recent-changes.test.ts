import { describe, expect, it } from 'vitest';
import { RecentChanges } from '../../../../src/keys/change-feed/recent-changes.ts';

function createChanges(nowMs = () => 1_000_000, maxEntries = 10): RecentChanges {
  return new RecentChanges(nowMs, { ttlMs: 60_000, maxEntries });
}

describe('RecentChanges', () => {
  it('trusts no copy of another pod before the feed has caught up', () => {
    const changes = createChanges();
    expect(changes.trustedSinceMs).toBe(Number.POSITIVE_INFINITY);
    changes.startAt(5_000);
    expect(changes.trustedSinceMs).toBe(5_000);
  });

  it('keeps the highest version of a key in any order of changes', () => {
    const changes = createChanges();
    for (const version of [3, 9, 4]) changes.apply({ entity: 'key', id: 'k', version });
    expect(changes.keyVersion('k')).toBe(9);
    expect(changes.keyVersion('other')).toBe(-1);
  });

  it('changes the mark of a role scope with each change, also with a lower version', () => {
    const changes = createChanges();
    const marks = [9, 8, 8].map((version) => {
      changes.apply({ entity: 'roles', id: 's', version });
      return changes.rolesMark('s');
    });
    expect(new Set(marks).size).toBe(3);
  });

  it('trusts no copy from before a change of everything, and keeps the recorded versions', () => {
    let nowMs = 1_000_000;
    const changes = createChanges(() => nowMs);
    changes.startAt(0);
    changes.apply({ entity: 'key', id: 'k', version: 9 });
    nowMs += 1_000;
    changes.apply({ entity: 'everything' });
    expect(changes.trustedSinceMs).toBeGreaterThanOrEqual(nowMs);
    expect(changes.generation).toBe(1);
    expect(changes.keyVersion('k'), 'a replica that is further behind restores no old version').toBe(9);
  });

  it('keeps the recorded versions in another history of the same lineage, and forgets them in another lineage', () => {
    const changes = createChanges();
    changes.apply({ entity: 'history', generation: 'g1' });
    changes.apply({ entity: 'key', id: 'k', version: 9 });
    changes.apply({ entity: 'history', generation: 'g2', lineage: 'g1' });
    expect([changes.history, changes.lineage, changes.keyVersion('k')]).toEqual(['g2', 'g1', 9]);
    changes.apply({ entity: 'history', generation: 'g3', lineage: 'g3' });
    expect([changes.history, changes.lineage, changes.keyVersion('k')]).toEqual(['g3', 'g3', -1]);
  });

  it('trusts no copy from before a change that a flood has evicted', () => {
    let nowMs = 1_000_000;
    const changes = createChanges(() => nowMs, 3);
    changes.startAt(0);
    for (let nth = 0; nth < 5; nth += 1) {
      changes.apply({ entity: 'key', id: `k${nth}`, version: 1 });
      nowMs += 1_000;
    }
    expect(changes.keyVersion('k1')).toBe(-1);
    expect(changes.forgottenUntilMs).toBe(1_001_000);
    expect(changes.trustedSinceMs).toBeGreaterThanOrEqual(1_001_000);
  });

  it('counts a change that arrives twice from its first arrival', () => {
    let nowMs = 1_000_000;
    const changes = createChanges(() => nowMs, 2);
    for (const id of ['k', 'other', 'k', 'third']) {
      changes.apply({ entity: 'key', id, version: 1 });
      nowMs += 1_000;
    }
    expect([changes.keyVersion('k'), changes.forgottenUntilMs]).toEqual([-1, 1_000_000]);
  });
});
