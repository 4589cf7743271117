import { describe, expect, it, vi } from 'vitest';
import { Interner } from '../../../../src/keys/cache/interner.ts';
import { keyRecord } from '../../../support/records.ts';

const json = '{"project":{"elasticsearch":[]}}';

describe('Interner', () => {
  it('returns one object for equal assignments of an organization, from a text and from a record', () => {
    const shared = new Interner(10);
    const fromText = shared.assignments('org', json);
    const record = shared.record(
      keyRecord('k', 1, { organizationId: 'org', roleAssignments: JSON.parse(json) }),
    );
    expect(record.roleAssignments).toBe(fromText);
    expect(record.roleAssignments).toEqual(JSON.parse(json));
  });

  it('returns the same object for stored assignments in another format, and parses them once', () => {
    const shared = new Interner(10);
    const stored = '{"project": {"elasticsearch": []}}';
    const read = vi.fn(JSON.parse);
    const first = shared.storedAssignments('org', stored, read);
    expect(shared.storedAssignments('org', stored, read)).toBe(first);
    expect(shared.assignments('org', json)).toBe(first);
    expect(read).toHaveBeenCalledTimes(1);
  });

  it('does not cache assignments that do not parse', () => {
    const shared = new Interner(10);
    const read = vi.fn(() => {
      throw new Error('broken');
    });
    for (let times = 0; times < 2; times += 1) {
      expect(() => shared.storedAssignments('org', json, read)).toThrow('broken');
    }
    expect(read).toHaveBeenCalledTimes(2);
  });

  it('never shares assignments between organizations, whose permissions differ', () => {
    const shared = new Interner(10);
    expect(shared.assignments('org', json)).not.toBe(shared.assignments('other', json));
    const stored = (organization: string) => shared.storedAssignments(organization, json, JSON.parse);
    expect(stored('org')).not.toBe(stored('other'));
  });

  it('does not confuse a text with the cache key of assignments', () => {
    const shared = new Interner(10);
    shared.assignments('org', json);
    const createdBy = `${json}\norg`;
    expect(shared.record(keyRecord('k', 1, { createdBy })).createdBy).toBe(createdBy);
  });
});
