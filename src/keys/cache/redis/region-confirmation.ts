import type { Logger } from 'pino';
import { LogLimiter } from '../../../lib/log-limiter.ts';
import { CLOCK_SKEW_MS } from '../../change-feed/change-source.ts';
import type { ClockCheck } from '../../change-feed/clock-check.ts';
import type { Freshness } from '../../change-feed/freshness.ts';
import type { RedisKeys } from './redis-keys.ts';
import type { RedisLink } from './redis-link.ts';
import { RisingNumbers } from './rising-numbers.ts';

const INTERVAL_MS = 1_000;
const TTL_MS = 60_000;
const NAME = 'confirmed';
/** Other pods raise the time every second. One that stands still for longer proves nothing, however high it is. */
const RISEN_WITHIN_MS = 5_000;
const LOG_INTERVAL_MS = 60_000;

export interface RegionConfirmationDeps {
  link: RedisLink;
  redisKeys: RedisKeys;
  freshness: Freshness;
  clock: ClockCheck;
  now: () => number;
  logger: Logger;
}

/**
 * One time in Redis: up to when some pod of the region has applied every change, by the clock of the replica. Every pod
 * raises it each second while its change feed works. A pod whose feed stands still reads it instead.
 *
 * Redis may be a copy, and others may write to it. So a time counts only while this pod sees it rise, and only if it can be true:
 * no change is applied in the future.
 */
export class RegionConfirmation {
  readonly #deps: RegionConfirmationDeps;
  readonly #numbers: RisingNumbers;
  readonly #limiter: LogLimiter;
  #writtenMs = Number.NEGATIVE_INFINITY;
  /** By the clock of the replica, since this pod has last written; `undefined` before the first read. */
  #newestMs: number | undefined;
  /** When this pod saw it rise, by a monotonic clock. */
  #roseAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: RegionConfirmationDeps) {
    this.#deps = deps;
    this.#numbers = new RisingNumbers(deps.link);
    this.#limiter = new LogLimiter(deps.now, LOG_INTERVAL_MS);
  }

  /** The newest confirmation of any other pod, by the clock of this pod; `undefined` if none is known. */
  get othersConfirmedAtMs(): number | undefined {
    const { clock } = this.#deps;
    if (this.#newestMs === undefined || clock.offsetMs === undefined) return undefined;
    if (clock.monotonicNow() - this.#roseAtMs > RISEN_WITHIN_MS) return undefined;
    return this.#newestMs + clock.offsetMs;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#exchange(), INTERVAL_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #exchange(): Promise<void> {
    const { freshness, clock, redisKeys, now } = this.#deps;
    const { offsetMs } = clock;
    if (offsetMs === undefined || !clock.isRight) return;
    const { appliedUntilMs } = freshness;
    const names = redisKeys.times(NAME);
    const highestMs = Math.ceil(now() - offsetMs + CLOCK_SKEW_MS);
    if (appliedUntilMs > this.#writtenMs) {
      this.#writtenMs = appliedUntilMs;
      this.#newestMs = undefined;
      const timeMs = Math.round(appliedUntilMs - offsetMs);
      this.#report(await this.#numbers.raiseBelow(names, timeMs, TTL_MS, highestMs));
      return;
    }
    const [newestMs = Number.NEGATIVE_INFINITY] = (await this.#numbers.read([names])) ?? [];
    if (Number.isFinite(newestMs) && newestMs <= highestMs) this.#observe(newestMs);
  }

  #observe(newestMs: number): void {
    if (this.#newestMs !== undefined && newestMs > this.#newestMs)
      this.#roseAtMs = this.#deps.clock.monotonicNow();
    this.#newestMs = Math.max(newestMs, this.#newestMs ?? newestMs);
  }

  #report(replaced: readonly string[]): void {
    const [redisKey] = replaced;
    if (redisKey === undefined || this.#limiter.admit('replaced') === undefined) return;
    this.#deps.logger.warn(
      { redis_key: redisKey },
      'Redis had a time of the last confirmation that cannot be true, and it was replaced; find out who can write to Redis',
    );
  }
}
