import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  DAY_MS,
  MAX_GRACE_MS,
  parseDuration,
  parseGracePeriod,
  parseTtl,
} from '../../../../src/control-plane/keys/durations.ts';

it.each([
  ['0', 0],
  ['90s', 90_000],
  ['3h', 10_800_000],
  ['30d', 30 * DAY_MS],
  ['2w', 14 * DAY_MS],
])('parses %s as a duration', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

it('refuses any other text without throwing', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const parsed = parseDuration(text);
      expect(parsed === undefined || /^(0|\d{1,9}[smhdw])$/.test(text)).toBe(true);
    }),
  );
  for (const text of ['', '1', '1y', '-1d', '1.5d', ' 1d', '1d ', '1D', '9999999999d', 'never']) {
    expect(parseDuration(text)).toBeUndefined();
  }
});

it('limits a lifetime to 365 days or never, with a default of 90 days', () => {
  expect(parseTtl(undefined)).toEqual({ ttlMs: 90 * DAY_MS });
  expect(parseTtl('365d')).toEqual({ ttlMs: 365 * DAY_MS });
  expect(parseTtl('never')).toEqual({ ttlMs: null });
  for (const text of ['366d', '8761h', '0', '0s']) expect(parseTtl(text)).toHaveProperty('problem');
});

it('limits a grace period to 30 days, with a default of one day and a minimum of 0', () => {
  expect(parseGracePeriod(undefined)).toEqual({ graceMs: DAY_MS });
  expect(parseGracePeriod('0')).toEqual({ graceMs: 0 });
  expect(parseGracePeriod('30d')).toEqual({ graceMs: MAX_GRACE_MS });
  expect(parseGracePeriod('31d')).toHaveProperty('problem');
});

it('refuses what is no duration with an example of one', () => {
  expect(parseTtl('soon')).toEqual({ problem: expect.stringContaining('"3h"') });
  expect(parseGracePeriod('soon')).toEqual({ problem: expect.stringContaining('"24h"') });
});
