import type { ClockCheck } from '../../change-feed/clock-check.ts';
import type { Freshness } from '../../change-feed/freshness.ts';
import type { RedisKeys } from './redis-keys.ts';
import type { RedisLink } from './redis-link.ts';
import { RisingNumbers } from './rising-numbers.ts';

const INTERVAL_MS = 1_000;
const TTL_MS = 60_000;
const NAME = 'confirmed';

export interface RegionConfirmationDeps {
  link: RedisLink;
  redisKeys: RedisKeys;
  freshness: Freshness;
  clock: ClockCheck;
}

/**
 * One time in Redis: up to when some pod of the region has applied every change, by the clock of the replica. Every pod
 * raises it each second while its change feed works. A pod whose feed stands still reads it instead.
 */
export class RegionConfirmation {
  readonly #deps: RegionConfirmationDeps;
  readonly #numbers: RisingNumbers;
  #writtenMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  /** The newest confirmation of any other pod, by the clock of this pod; `undefined` if none is known. */
  othersConfirmedAtMs: number | undefined;

  constructor(deps: RegionConfirmationDeps) {
    this.#deps = deps;
    this.#numbers = new RisingNumbers(deps.link);
  }

  start(): void {
    this.#timer = setInterval(() => void this.#exchange(), INTERVAL_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #exchange(): Promise<void> {
    const { freshness, clock, redisKeys } = this.#deps;
    const { offsetMs } = clock;
    if (offsetMs === undefined || !clock.isRight) return;
    const { appliedUntilMs } = freshness;
    const names = redisKeys.times(NAME);
    if (appliedUntilMs > this.#writtenMs) {
      this.#writtenMs = appliedUntilMs;
      await this.#numbers.raise(names, Math.round(appliedUntilMs - offsetMs), TTL_MS);
      return;
    }
    const [newestMs] = (await this.#numbers.read([names])) ?? [];
    this.othersConfirmedAtMs =
      newestMs !== undefined && Number.isFinite(newestMs) ? newestMs + offsetMs : undefined;
  }
}
