import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { policies } from '../../../src/keys/cache/policies.ts';

const UNITS: readonly [number, string][] = [
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
];

/** Formats a duration as the page does. */
function formatDuration(ms: number): string {
  const [size, unit] = UNITS.find(([one]) => ms % one === 0) ?? [1, 'ms'];
  return `${ms / size} ${unit}`;
}

it.each(Object.entries(policies))(
  'docs/caching.md states the TTL and the size limit of %s as in the code',
  async (name, policy: { ttlMs?: number; marginMs?: number; maxEntries?: number }) => {
    const page = await readFile(new URL('../../../docs/caching.md', import.meta.url), 'utf8');
    const row = page.split('\n').find((line) => line.startsWith('|') && line.includes(`\`${name}\``));
    const times = [policy.ttlMs, policy.marginMs].filter((ms) => ms !== undefined).map(formatDuration);
    const limits = policy.maxEntries === undefined ? [] : [policy.maxEntries.toLocaleString('en-US')];
    for (const text of [...times, ...limits]) expect(row).toContain(text);
  },
);
