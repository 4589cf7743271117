import { setTimeout as sleep } from 'node:timers/promises';
import type { SharedCounters } from '../../change-feed/replica-trust.ts';
import { policies } from '../policies.ts';
import type { FencedCache } from './fenced-cache.ts';

/** How long a pod that starts waits for Redis, which it may not have connected to yet. */
const CONNECT_MS = 1_000;
const CHECK_INTERVAL_MS = 20;

/** Shares the newest heartbeat counter of each generation of the region; the highest one wins. */
export class HeartbeatCounters implements SharedCounters {
  readonly #cache: FencedCache;
  readonly #now: () => number;

  constructor(cache: FencedCache, now: () => number) {
    this.#cache = cache;
    this.#now = now;
  }

  async read(generation: string): Promise<number | undefined> {
    const endsAtMs = performance.now() + CONNECT_MS;
    while (!this.#cache.isUp && performance.now() < endsAtMs) await sleep(CHECK_INTERVAL_MS);
    const found = await this.#cache.read('counter', generation, '');
    return found && Number(found.payload.toString());
  }

  async store(generation: string, counter: number): Promise<void> {
    const nowMs = this.#now();
    await this.#cache.store({
      kind: 'counter',
      id: generation,
      version: counter,
      digest: '',
      payload: String(counter),
      confirmedAtMs: nowMs,
      expiresAtMs: nowMs + policies.heartbeatCounter.ttlMs,
    });
  }
}
