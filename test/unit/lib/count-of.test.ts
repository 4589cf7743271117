import { expect, it } from 'vitest';
import { countOf } from '../../../src/lib/count-of.ts';

it.each([
  [0, '0 buckets'],
  [1, '1 bucket'],
  [2, '2 buckets'],
])('%i has the right form of its noun', (count, text) => {
  expect(countOf(count, 'bucket')).toBe(text);
});
