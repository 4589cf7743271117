import { expect, it } from 'vitest';
import { highestCounter, isPlausibleCounter } from '../../../../src/keys/change-feed/plausible-counter.ts';

it('a region can be behind by the age of its newest heartbeat, and by little more', () => {
  expect(highestCounter(5, 0)).toBe(1_005);
  expect(highestCounter(5, -3)).toBe(1_005);
  expect(highestCounter(5, 3_600.5)).toBe(361_055);
});

it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 101])(
  '%s is no counter up to 100',
  (value) => {
    expect(isPlausibleCounter(value, 100)).toBe(false);
  },
);

it.each([0, 1, 100])('%s is a counter up to 100', (value) => {
  expect(isPlausibleCounter(value, 100)).toBe(true);
});
