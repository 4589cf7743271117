import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { HealthState } from '../http/health.ts';

const RETRY_MS = 200;

/** Holds the service unready until its replica has answered once. A replica that goes away later does not unready it. */
export class ReplicaProbe implements HealthState {
  started = false;
  closing = false;
  readonly #pool: Pool;
  readonly #logger: Logger;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(pool: Pool, logger: Logger) {
    this.#pool = pool;
    this.#logger = logger;
  }

  obstacles(): readonly string[] {
    return this.started ? [] : ['the replica has not answered yet'];
  }

  start(): void {
    this.#running = this.#run().catch(() => {});
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#pool.query('SELECT FROM api_keys LIMIT 1');
        this.started = true;
        return;
      } catch (error) {
        this.#logger.warn({ err: error }, 'waiting for the replica');
        await delay(RETRY_MS, undefined, { signal: this.#stop.signal });
      }
    }
  }
}
