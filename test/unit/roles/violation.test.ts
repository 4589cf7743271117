import { expect, it } from 'vitest';
import { jsonPath, limited, quoted } from '../../../src/roles/violation.ts';

it('shows at most 64 characters of a name of the input', () => {
  const [longest, longer] = ['n'.repeat(64), 'n'.repeat(65)];
  expect([quoted(longest), quoted(longer)]).toEqual([`"${longest}"`, `"${longest}…"`]);
  expect([jsonPath([longest]), jsonPath([longer])]).toEqual([longest, `${longest}…`]);
});

it('writes a path with names, numbers and other texts', () => {
  expect(jsonPath(['a', 0, 'b-c', 'd e', 'f'])).toBe('a[0].b-c["d e"].f');
  expect(jsonPath([0, 'a'])).toBe('[0].a');
});

it('reports at most a hundred items', () => {
  expect([100, 101].map((length) => limited(Array(length).fill(0)).length)).toEqual([100, 100]);
});
