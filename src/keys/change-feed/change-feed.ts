import type { Logger } from 'pino';
import { Wakeup } from '../../lib/wakeup.ts';
import type { Change, ChangeListener } from './change.ts';
import type { ChangeSource, Lag } from './change-source.ts';
import type { Freshness } from './freshness.ts';
import type { RecentChanges } from './recent-changes.ts';

const LAG_INTERVAL_MS = 1_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

export interface ChangeFeedDeps {
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
  onCaughtUp?: () => void;
}

interface Connection {
  brokenBy: Error | undefined;
}

/**
 * Keeps the caches of this process in step with the replica. It reads when it is woken and, woken or not, every
 * `checkIntervalMs`: a read that succeeds proves that everything committed before it has been applied, and only that
 * moves `freshness.appliedUntilMs`. A lost or silent connection therefore shows within the interval plus the query timeout.
 */
export class ChangeFeed {
  readonly #deps: ChangeFeedDeps;
  readonly #wakeup = new Wakeup();
  #stopping = false;
  #connection: Connection = { brokenBy: undefined };
  #caughtUp = false;
  #running: Promise<void> | undefined;
  #connected = false;
  /** As last measured; `undefined` until the first heartbeat. */
  lag: Lag | undefined;
  /** Changes applied and connections lost, for metrics. */
  readonly counts = { applied: 0, broken: 0 };

  constructor(deps: ChangeFeedDeps) {
    this.#deps = deps;
  }

  /** Has caught up once: what is cached from now on can be trusted. */
  get caughtUp(): boolean {
    return this.#caughtUp;
  }

  get connected(): boolean {
    return this.#connected;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#deps.source.close();
    this.#wakeup.notify();
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
        this.#deps.logger.warn({ err: error }, 'the change feed is broken; connecting again');
      } finally {
        this.#connected = false;
        this.#deps.source.close();
      }
      this.#wakeup.reset();
      if (!this.#stopping) await this.#wakeup.wait(pauseMs);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
  }

  async #connect(): Promise<void> {
    const connection: Connection = { brokenBy: undefined };
    this.#connection = connection;
    await this.#deps.source.connect(
      () => this.#wakeup.notify(),
      (error) => {
        // A connection that was given up may report its end late, when the next one is in use.
        connection.brokenBy ??= error;
        // One that could not be made reports its end, too, and must not cut the pause before the next attempt short.
        if (this.#connected) this.#wakeup.notify();
      },
    );
    this.#connected = true;
  }

  async #follow(): Promise<void> {
    const { source, now, checkIntervalMs, freshness } = this.#deps;
    if (!this.#caughtUp) await this.#begin();
    let lagAtMs = 0;
    while (!this.#stopping) {
      this.#wakeup.reset();
      if (this.#connection.brokenBy !== undefined) throw this.#connection.brokenBy;
      const requestedAtMs = now();
      const { changes, more } = await source.read();
      for (const change of changes) this.#apply(change);
      if (more) continue;
      freshness.appliedUntilMs = requestedAtMs;
      if (now() - lagAtMs >= LAG_INTERVAL_MS) {
        lagAtMs = now();
        this.lag = await source.lag();
      }
      await this.#wakeup.wait(checkIntervalMs);
    }
  }

  async #begin(): Promise<void> {
    const { source, changes, listeners, windowMs, windowLimit, onCaughtUp } = this.#deps;
    const past = await source.begin(windowMs, windowLimit);
    changes.begin(past.trustedSinceMs);
    for (const change of past.changes) changes.apply(change);
    // Whatever was cached before this may be older than any of these changes. One order to drop it, and not a
    // replay: a pod that starts must not repeat the last minutes' changes towards Redis.
    for (const listener of listeners) listener.apply({ entity: 'everything' });
    this.#caughtUp = true;
    onCaughtUp?.();
  }

  #apply(change: Change): void {
    this.#deps.changes.apply(change);
    for (const listener of this.#deps.listeners) listener.apply(change);
    this.counts.applied += 1;
  }
}
