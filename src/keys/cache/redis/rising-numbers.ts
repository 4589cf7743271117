import { SingleFlight } from '../../../lib/single-flight.ts';
import { REPLACED } from './redis-client.ts';
import type { RedisLink } from './redis-link.ts';

/** A read within the timeout decides whether a copy is used, so it is worth further attempts while Redis works. */
const READ_ATTEMPTS = 3;
const DIGITS = 16;
/** Of a number with its proof, which is a digest of 22 characters. */
export const NUMBER_BYTES = DIGITS + 22;

/**
 * Numbers in Redis that never decrease: versions and times. Each has one Redis key per configured cache key; a write
 * raises all of them, and a read returns the highest.
 */
export class RisingNumbers {
  readonly #link: RedisLink;
  readonly #flights = new SingleFlight<Buffer | null | undefined>();

  constructor(link: RedisLink) {
    this.#link = link;
  }

  /**
   * @param proofs of the number, one per Redis key
   * @returns whether Redis has the number, or a higher one, under every Redis key
   */
  async raise(
    redisKeys: readonly string[],
    value: number,
    ttlMs: number,
    proofs: readonly string[] = [],
  ): Promise<boolean> {
    const replies = await Promise.all(
      redisKeys.map((redisKey, index) =>
        this.#link.raiseFence({ redisKey, ttlMs, proof: proofs[index] }, value),
      ),
    );
    return replies.every((reply) => reply !== undefined);
  }

  /**
   * As `raise`, for a number that has a bound.
   * @param highest values above it cannot be true, and are replaced
   * @returns the Redis keys that had such a value
   */
  async raiseBelow(
    redisKeys: readonly string[],
    value: number,
    ttlMs: number,
    highest: number,
  ): Promise<string[]> {
    const replies = await Promise.all(
      redisKeys.map((redisKey) => this.#link.raiseFence({ redisKey, ttlMs, highest }, value)),
    );
    return redisKeys.filter((_, at) => replies[at] === REPLACED);
  }

  /**
   * @param numbers the Redis keys of each number
   * @returns per number its value, or minus infinity if Redis has none; `undefined` if Redis is unavailable
   */
  async read(numbers: readonly (readonly string[])[]): Promise<number[] | undefined> {
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt += 1) {
      const found = await Promise.all(
        numbers.map((redisKeys) => Promise.all(redisKeys.map((redisKey) => this.#readOne(redisKey)))),
      );
      if (!found.flat().includes(undefined)) return found.map((values) => Math.max(...values.map(toNumber)));
      if (!this.#link.isUp) return undefined;
    }
    return undefined;
  }

  /** Many requests at once read the same few numbers. */
  #readOne(redisKey: string): Promise<Buffer | null | undefined> {
    return this.#flights.run(redisKey, () => this.#link.read(redisKey, NUMBER_BYTES));
  }
}

/** A value that is no number, which only an intruder can leave there, counts as higher than all. */
function toNumber(value: Buffer | null | undefined): number {
  if (value === null || value === undefined) return Number.NEGATIVE_INFINITY;
  const text = value.toString('latin1', 0, DIGITS);
  return /^[0-9a-f]{16}$/.test(text) ? Number.parseInt(text, 16) : Number.POSITIVE_INFINITY;
}
