import type { Logger } from 'pino';
import type { Freshness } from './freshness.ts';
import { Alarm } from '../../lib/wakeup.ts';
import type { Change, ChangeListener } from './change.ts';
import type { ChangeSource, Lag } from './change-source.ts';
import type { RecentChanges } from './recent-changes.ts';

const LAG_INTERVAL_MS = 1_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

export interface ChangeFeedParts {
  source: ChangeSource;
  freshness: Freshness;
  changes: RecentChanges;
  /** Told of every change, in order, after `changes`. */
  listeners: readonly ChangeListener[];
  logger: Logger;
  now: () => number;
  checkIntervalMs: number;
  /** How far back the first read goes. */
  windowMs: number;
  windowLimit: number;
  /** Told once, when it has caught up for the first time. */
  onBegun?: () => void;
}

interface Connection {
  brokenBy: Error | undefined;
}

/**
 * Keeps the caches of this process in step with the replica. It reads when it is woken and, woken or not, every
 * `checkIntervalMs`: a read that succeeds proves that everything committed before it has been applied, and only that
 * moves `freshness.wholeAtMs`. A lost or silent connection therefore shows within the interval plus the query timeout.
 */
export class ChangeFeed {
  readonly #parts: ChangeFeedParts;
  readonly #alarm = new Alarm();
  #stopping = false;
  #connection: Connection = { brokenBy: undefined };
  #begun = false;
  #running: Promise<void> | undefined;
  #connected = false;
  /** As last measured; `undefined` until the first heartbeat. */
  lag: Lag | undefined;
  /** Changes applied and connections lost, for metrics. */
  readonly counts = { applied: 0, broken: 0 };

  constructor(parts: ChangeFeedParts) {
    this.#parts = parts;
  }

  /** Has caught up once: what is cached from now on can be trusted. */
  get begun(): boolean {
    return this.#begun;
  }

  get connected(): boolean {
    return this.#connected;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#parts.source.close();
    this.#alarm.ring();
    await this.#running;
  }

  async #run(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.#stopping) {
      try {
        await this.#connect();
        pauseMs = FIRST_PAUSE_MS;
        await this.#follow();
      } catch (error) {
        if (this.#stopping) return;
        this.counts.broken += 1;
        this.#parts.logger.warn({ err: error }, 'the change feed is broken; connecting again');
      } finally {
        this.#connected = false;
        this.#parts.source.close();
      }
      this.#alarm.reset();
      if (!this.#stopping) await this.#alarm.wait(pauseMs);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
  }

  async #connect(): Promise<void> {
    const connection: Connection = { brokenBy: undefined };
    this.#connection = connection;
    await this.#parts.source.connect(
      () => this.#alarm.ring(),
      (error) => {
        // A connection that was given up may report its end late, when the next one is in use.
        connection.brokenBy ??= error;
        // One that could not be made reports its end, too, and must not cut the pause before the next attempt short.
        if (this.#connected) this.#alarm.ring();
      },
    );
    this.#connected = true;
  }

  async #follow(): Promise<void> {
    const { source, now, checkIntervalMs, freshness } = this.#parts;
    if (!this.#begun) await this.#begin();
    let lagAtMs = 0;
    while (!this.#stopping) {
      this.#alarm.reset();
      if (this.#connection.brokenBy !== undefined) throw this.#connection.brokenBy;
      const askedAtMs = now();
      const { changes, more } = await source.read();
      for (const change of changes) this.#apply(change);
      if (more) continue;
      freshness.wholeAtMs = askedAtMs;
      if (now() - lagAtMs >= LAG_INTERVAL_MS) {
        lagAtMs = now();
        this.lag = await source.lag();
      }
      await this.#alarm.wait(checkIntervalMs);
    }
  }

  async #begin(): Promise<void> {
    const { source, changes, listeners, windowMs, windowLimit, onBegun } = this.#parts;
    const past = await source.begin(windowMs, windowLimit);
    changes.begin(past.trustedSinceMs);
    for (const change of past.changes) changes.apply(change);
    // Whatever was cached before this may be older than any of these changes. One order to drop it, and not a
    // replay: a pod that starts must not repeat the last minutes' changes towards Redis.
    for (const listener of listeners) listener.apply({ entity: 'everything' });
    this.#begun = true;
    onBegun?.();
  }

  #apply(change: Change): void {
    this.#parts.changes.apply(change);
    for (const listener of this.#parts.listeners) listener.apply(change);
    this.counts.applied += 1;
  }
}
