import { expect, it } from 'vitest';
import { changeOf } from '../../../../src/keys/change-feed/change.ts';

const EVERYTHING = { entity: 'everything' };

it.each([
  ['key', '5', { entity: 'key', id: 'i', version: 5 }],
  ['key', '0', { entity: 'key', id: 'i', version: 0 }],
  ['roles', '5', { entity: 'roles', id: 'i', version: 5 }],
  ['key', '-1', EVERYTHING],
  ['key', '9007199254740993', EVERYTHING],
  ['roles', '1.5', EVERYTHING],
  ['roles', 'new', EVERYTHING],
  ['another', '5', EVERYTHING],
])(
  'takes a change of %s with version %s for a change of one entry only if it can be compared',
  (entity, version, change) => {
    expect(changeOf(entity, 'i', version)).toEqual(change);
  },
);
