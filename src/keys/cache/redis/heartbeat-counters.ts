import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { LogLimiter } from '../../../lib/log-limiter.ts';
import type { ClockVerdict } from '../../change-feed/clock-check.ts';
import { isPlausibleCounter } from '../../change-feed/plausible-counter.ts';
import type { SharedCounter, SharedCounters } from '../../change-feed/replica-trust.ts';
import { policies } from '../policies.ts';
import type { FencedCache } from './fenced-cache.ts';

/** How long a pod that starts waits for Redis, which it may not have connected to yet. */
const CONNECT_MS = 1_000;
const CHECK_INTERVAL_MS = 20;
const LOG_INTERVAL_MS = 60_000;

export interface HeartbeatCountersDeps {
  cache: FencedCache;
  now: () => number;
  clock: ClockVerdict;
  logger: Logger;
  /** Pods store the counter every second. One that none has stored for longer may be a copy of Redis, or a replay. */
  confirmsForMs: number;
}

/** Shares the newest heartbeat counter of each generation of the region; the highest one that can be true wins. */
export class HeartbeatCounters implements SharedCounters {
  readonly #deps: HeartbeatCountersDeps;
  readonly #limiter: LogLimiter;

  constructor(deps: HeartbeatCountersDeps) {
    this.#deps = deps;
    this.#limiter = new LogLimiter(deps.now, LOG_INTERVAL_MS);
  }

  nameOf(generation: string): string {
    return this.#deps.cache.nameOf('counter', generation, '');
  }

  async read(generation: string, highest: number): Promise<SharedCounter | undefined> {
    const { cache } = this.#deps;
    const endsAtMs = performance.now() + CONNECT_MS;
    while (!cache.isUp && performance.now() < endsAtMs) await sleep(CHECK_INTERVAL_MS);
    const found = await cache.read('counter', generation, '');
    if (!found) return undefined;
    const text = found.payload.toString();
    const counter = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!isPlausibleCounter(counter, highest)) {
      this.#warn(
        this.nameOf(generation),
        'the heartbeat counter in Redis cannot be true and is ignored; pods replace it once the replica counts, or delete the key; find out who can write to Redis and has CACHE_KEYS',
      );
      return undefined;
    }
    return { counter, isRecent: this.#isRecent(found.expiresAtMs) };
  }

  async store(generation: string, counter: number, highest: number): Promise<void> {
    const { cache, now } = this.#deps;
    const nowMs = now();
    const replaced = await cache.store({
      kind: 'counter',
      id: generation,
      version: counter,
      highestVersion: highest,
      digest: '',
      payload: String(counter),
      confirmedAtMs: nowMs,
      expiresAtMs: nowMs + policies.heartbeatCounter.ttlMs,
    });
    if (replaced !== undefined) {
      this.#warn(
        replaced,
        'a value in Redis that cannot be true kept the heartbeat counter from being stored, and was replaced; find out who can write to Redis',
      );
    }
  }

  /** The seal protects the expiry, and so the time of the store. It means something only to a clock that is right. */
  #isRecent(expiresAtMs: number): boolean {
    const { clock, now, confirmsForMs } = this.#deps;
    return clock.isRight && now() - (expiresAtMs - policies.heartbeatCounter.ttlMs) <= confirmsForMs;
  }

  #warn(redisKey: string, message: string): void {
    if (this.#limiter.admit(message) !== undefined) this.#deps.logger.warn({ redis_key: redisKey }, message);
  }
}
