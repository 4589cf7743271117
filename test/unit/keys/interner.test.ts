import { describe, expect, it } from 'vitest';
import { Interner } from '../../../src/keys/cache/interner.ts';
import { keyRecord } from './records.ts';

const json = '{"project":{"elasticsearch":[]}}';

describe('equal assignments', () => {
  it('are one object within an organization, however they arrive', () => {
    const shared = new Interner(10);
    const fromText = shared.assignments('org', json);
    const record = shared.record(
      keyRecord('k', 1, { organizationId: 'org', roleAssignments: JSON.parse(json) }),
    );
    expect(record.roleAssignments).toBe(fromText);
    expect(record.roleAssignments).toEqual(JSON.parse(json));
  });

  it('are never shared between organizations, whose rights differ', () => {
    const shared = new Interner(10);
    expect(shared.assignments('org', json)).not.toBe(shared.assignments('other', json));
  });

  it('are told apart from a text that spells their name', () => {
    const shared = new Interner(10);
    shared.assignments('org', json);
    const createdBy = JSON.stringify(['org', json]);
    expect(shared.record(keyRecord('k', 1, { createdBy })).createdBy).toBe(createdBy);
  });
});
