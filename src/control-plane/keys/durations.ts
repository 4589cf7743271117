const unitMs: Record<string, number> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

export const DAY_MS = 86_400_000;
/** Life of a key that does not say: 90 days, as in Elastic Cloud. */
export const DEFAULT_TTL_MS = 90 * DAY_MS;
/** Longest life of a key that ends at all. */
const MAX_TTL_MS = 365 * DAY_MS;
export const MAX_GRACE_MS = 30 * DAY_MS;
const DEFAULT_GRACE_MS = DAY_MS;

/** `"30d"`, `"3h"`, `"0"` … in milliseconds; `undefined` when it is none. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const [, amount, unit] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  if (amount === undefined || unit === undefined) return undefined;
  return Number(amount) * (unitMs[unit] as number);
}

/** What `expiration` says: milliseconds of life, `null` for never, or the sentence that refuses it. */
export function parseTtl(text: string | undefined): { ttlMs: number | null } | { problem: string } {
  if (text === undefined) return { ttlMs: DEFAULT_TTL_MS };
  if (text === 'never') return { ttlMs: null };
  const ttlMs = parseDuration(text);
  if (ttlMs === undefined) {
    return { problem: 'must be a duration such as "3h", "30d" or "12w", or "never"' };
  }
  if (ttlMs === 0) return { problem: 'must be longer than nothing' };
  if (ttlMs > MAX_TTL_MS) return { problem: 'must be at most one year (365d), or "never"' };
  return { ttlMs };
}

/** What `grace_period` says, in milliseconds, or the sentence that refuses it. */
export function parseGrace(text: string | undefined): { graceMs: number } | { problem: string } {
  if (text === undefined) return { graceMs: DEFAULT_GRACE_MS };
  const graceMs = parseDuration(text);
  if (graceMs === undefined) return { problem: 'must be a duration such as "24h", or "0" for at once' };
  if (graceMs > MAX_GRACE_MS) return { problem: 'must be at most 30 days' };
  return { graceMs };
}
