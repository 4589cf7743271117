import { z } from 'zod';

export const DAY_MS = 86_400_000;
/** The default of Elastic Cloud. */
export const DEFAULT_TTL_MS = 90 * DAY_MS;
const MAX_TTL_MS = 365 * DAY_MS;
const DEFAULT_GRACE_MS = DAY_MS;
export const MAX_GRACE_MS = 30 * DAY_MS;

const unitMs: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS };

/** The `expiration` of a new key; `parseTtl` reads it. */
export const expirationSchema = z
  .string()
  .describe(
    'Time until the key expires: "3h", "30d", "12w" …, at most one year, or "never". Default: 90 days.',
  );

/** Converts `"30d"`, `"3h"`, `"0"` … to milliseconds. @returns `undefined` when the text is not a duration */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const [, amount, unit] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  if (amount === undefined || unit === undefined) return undefined;
  return Number(amount) * (unitMs[unit] as number);
}

/** Reads an `expiration`. A `ttlMs` of `null` means that the key never expires. */
export function parseTtl(text: string | undefined): { ttlMs: number | null } | { problem: string } {
  if (text === undefined) return { ttlMs: DEFAULT_TTL_MS };
  if (text === 'never') return { ttlMs: null };
  const ttlMs = parseDuration(text);
  if (ttlMs === undefined) {
    return { problem: 'must be a duration such as "3h", "30d" or "12w", or "never"' };
  }
  if (ttlMs === 0) return { problem: 'must be longer than 0' };
  if (ttlMs > MAX_TTL_MS) return { problem: 'must be at most one year (365d), or "never"' };
  return { ttlMs };
}

/** Reads a `grace_period`. */
export function parseGracePeriod(text: string | undefined): { graceMs: number } | { problem: string } {
  if (text === undefined) return { graceMs: DEFAULT_GRACE_MS };
  const graceMs = parseDuration(text);
  if (graceMs === undefined) {
    return { problem: 'must be a duration such as "24h", or "0" to end the old secret immediately' };
  }
  if (graceMs > MAX_GRACE_MS) return { problem: 'must be at most 30 days' };
  return { graceMs };
}
