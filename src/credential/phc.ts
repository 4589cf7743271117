import { decodeCanonical } from './base64.ts';

/** Cost parameters of argon2id. */
export interface HashParameters {
  memoryKiB: number;
  timeCost: number;
  parallelism: number;
}

/**
 * Limits of the cost of one hash. Each stored hash states its own cost, so without limits one broken row could make the
 * process allocate gigabytes.
 */
export const hashBounds = {
  memoryKiB: { min: 8, max: 256 * 1024 },
  timeCost: { min: 1, max: 16 },
  parallelism: { min: 1, max: 16 },
} as const satisfies Record<keyof HashParameters, { min: number; max: number }>;

const MIN_SALT_BYTES = 8;
/** The length that `hashSecret` writes. A truncated digest is a damaged row, not a wrong secret. */
const DIGEST_BYTES = 32;
const ARGON2ID_PHC = /^\$argon2id\$v=19\$([mtp=0-9,]{1,40})\$([A-Za-z0-9+/]{1,86})\$([A-Za-z0-9+/]{1,86})$/;
const COST = /^([mtp])=([1-9]\d{0,9})$/;

export type ParsedPhc =
  | { ok: true; parameters: HashParameters; salt: Buffer; digest: Buffer }
  | { ok: false; problem: string };

/**
 * Parses an argon2id PHC string (version 19, no optional parts) strictly. A `problem` contains no part of the string.
 * The argon2 package is no replacement: it returns `false` for an unknown algorithm or a truncated digest, which would
 * make a valid key look invalid, and it accepts any memory cost.
 */
export function parsePhc(phc: string): ParsedPhc {
  const match = ARGON2ID_PHC.exec(phc);
  if (match === null) return { ok: false, problem: 'not an argon2id PHC string' };
  const [, costs = '', saltText = '', digestText = ''] = match;
  const salt = unpaddedBytes(saltText);
  if (salt === undefined || salt.length < MIN_SALT_BYTES) return { ok: false, problem: 'invalid salt' };
  const digest = unpaddedBytes(digestText);
  if (digest?.length !== DIGEST_BYTES) return { ok: false, problem: 'invalid digest' };
  const parameters = readCosts(costs);
  if (parameters === undefined) return { ok: false, problem: 'invalid parameters' };
  const problem = hashParametersProblem(parameters);
  return problem === undefined ? { ok: true, parameters, salt, digest } : { ok: false, problem };
}

/** Returns which cost is outside {@link hashBounds}; `undefined` if none is. */
export function hashParametersProblem(parameters: HashParameters): string | undefined {
  for (const name of ['memoryKiB', 'timeCost', 'parallelism'] as const) {
    const { min, max } = hashBounds[name];
    const value = parameters[name];
    if (!Number.isInteger(value) || value < min || value > max) return `${name} is not within ${min}..${max}`;
  }
  // RFC 9106, 3.1: at least eight blocks of 1 KiB for each lane.
  if (parameters.memoryKiB < 8 * parameters.parallelism) return 'memoryKiB is less than 8 for each lane';
  return undefined;
}

/** The last parsed costs: almost all hashes have the same settings. */
let lastCosts: { text: string; parameters: HashParameters } | undefined;

/** Parses m, t and p, each once and in any order: the reference implementation writes m,t,p, the argon2 package m,p,t. */
function readCosts(text: string): HashParameters | undefined {
  if (lastCosts?.text === text) return lastCosts.parameters;
  const costs = new Map<string, number>();
  for (const part of text.split(',')) {
    const [, name, value] = COST.exec(part) ?? [];
    if (name === undefined || costs.has(name)) return undefined;
    costs.set(name, Number(value));
  }
  const [memoryKiB, timeCost, parallelism] = [costs.get('m'), costs.get('t'), costs.get('p')];
  if (memoryKiB === undefined || timeCost === undefined || parallelism === undefined) return undefined;
  lastCosts = { text, parameters: { memoryKiB, timeCost, parallelism } };
  return lastCosts.parameters;
}

/** Adds the base64 padding that PHC strings omit, then decodes strictly. */
function unpaddedBytes(unpadded: string): Buffer | undefined {
  const padded = unpadded.padEnd(Math.ceil(unpadded.length / 4) * 4, '=');
  return decodeCanonical(padded, 'base64');
}
