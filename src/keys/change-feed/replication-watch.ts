import type { Logger } from 'pino';
import type { Lag } from './change-source.ts';
import { replicationFault } from './subscription-state.ts';

/** Beyond this age of the newest heartbeat, of one per second, replication counts as stopped. */
const STALLED_AFTER_MS = 15_000;
/** A heartbeat of one per second that is younger shows that changes are applied. */
const YOUNG_SECONDS = 3;
/** Beyond this age, the region may lack keys that were created since. Longer than a restart of the control plane. */
const BEHIND_AFTER_MS = 10_000;
/** The apply worker tries again after `wal_retrieve_retry_interval`, 5 s by default. */
const RETRY_WITHIN_MS = 15_000;
/** The worker is measured once per second. */
const SETTLED_AFTER_MS = 3_000;
/** Heartbeats of an outage arrive together, before changes that were made after them. Live ones arrive once per second. */
const CAUGHT_UP_AFTER_MS = 500;
/** An older measurement, of one per second, says nothing about now. */
const MEASURED_WITHIN_MS = 5_000;
const LOG_INTERVAL_MS = 60_000;
const CHECK_INTERVAL_MS = 1_000;

export interface ReplicationWatchOptions {
  /** Age beyond which no credential is accepted; `undefined` for no limit. */
  maxAgeMs: number | undefined;
  logger: Logger;
  /** Monotonic, in milliseconds. */
  now?: () => number;
}

/**
 * What this pod knows about the replication from the primary. The age of the newest heartbeat grows while replication stands
 * still, and also while the pod cannot read it.
 */
export class ReplicationWatch {
  readonly #options: ReplicationWatchOptions;
  readonly #now: () => number;
  /** The last measurement; `undefined` before the first heartbeat. */
  lag: Lag | undefined;
  #measuredAt = 0;
  #loggedAt = Number.NEGATIVE_INFINITY;
  /** Errors of the subscription: at the last measurement, and when the newest heartbeat was young. */
  #errors = 0;
  #formerErrors: number | undefined;
  /** When the errors last grew. */
  #erroredAt = Number.NEGATIVE_INFINITY;
  /** When a measurement last found no apply worker, or another one, and when the newest heartbeat arrived. */
  #disconnectedAt = Number.NEGATIVE_INFINITY;
  #heartbeatAt = Number.NEGATIVE_INFINITY;
  /** When the first heartbeat after `#disconnectedAt` arrived. */
  #reconnectedAt = Number.NEGATIVE_INFINITY;
  #worker: number | null | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ReplicationWatchOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  start(): void {
    this.#timer = setInterval(() => this.check(), CHECK_INTERVAL_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** @param lag as just measured; `undefined` if the replica has no heartbeat */
  observe(lag: Lag | undefined): void {
    this.lag = lag;
    this.#measuredAt = this.#now();
    const errors = lag?.subscription?.errors ?? 0;
    if (errors !== this.#errors) this.#erroredAt = this.#measuredAt;
    this.#errors = errors;
    if (lag?.subscription !== undefined) this.#observeWorker(lag.subscription.worker);
    if (lag !== undefined) this.#heartbeatAt = this.#measuredAt - lag.heartbeatAgeSeconds * 1_000;
    if (this.#reconnectedAt < this.#disconnectedAt && this.#heartbeatAt > this.#disconnectedAt) {
      this.#reconnectedAt = this.#heartbeatAt;
    }
    const isYoung = lag !== undefined && lag.heartbeatAgeSeconds < YOUNG_SECONDS;
    if (isYoung || this.#formerErrors === undefined) this.#formerErrors = errors;
    // The next outage is logged at once.
    if (isYoung) this.#loggedAt = Number.NEGATIVE_INFINITY;
  }

  #observeWorker(worker: number | null): void {
    const isSame = this.#worker === undefined || worker === this.#worker;
    if (worker === null || !isSame) this.#disconnectedAt = this.#measuredAt;
    this.#worker = worker;
  }

  /**
   * Whether the region fails to apply a change, again and again. A connection that is lost counts as an error too, but only
   * once, as the worker then fails to connect.
   */
  get #isFailing(): boolean {
    const isRecent = this.#now() - this.#erroredAt < RETRY_WITHIN_MS;
    return isRecent && this.#errors - (this.#formerErrors ?? 0) >= 2;
  }

  /** Whether the replica has had every row of the primary, as of some heartbeat. Without it, an unknown key may be valid. */
  get complete(): boolean {
    return this.lag?.complete === true;
  }

  /**
   * Whether the replica may lack keys that exist, or the newest secret of one. A key that it does not accept is then no reason
   * for a 401. After a connection was lost, only live heartbeats show that nothing is missing: the connection may lead to a
   * promoted standby, and those of the outage come before changes that are still to be applied.
   */
  get mayLackKeys(): boolean {
    const isBehind = (this.ageMs ?? Number.POSITIVE_INFINITY) > BEHIND_AFTER_MS;
    const appliesLate = (this.applySeconds ?? 0) * 1_000 > BEHIND_AFTER_MS;
    return !this.complete || isBehind || appliesLate || !this.#hasCaughtUp;
  }

  get #hasCaughtUp(): boolean {
    const isConnected = this.#reconnectedAt >= this.#disconnectedAt;
    return isConnected && this.#heartbeatAt >= this.#reconnectedAt + CAUGHT_UP_AFTER_MS;
  }

  /** Time from the commit of the newest heartbeat to its arrival. */
  get applySeconds(): number | undefined {
    return this.lag?.applySeconds;
  }

  /** Age of the newest heartbeat now; `undefined` before the first. */
  get ageMs(): number | undefined {
    return this.lag && this.lag.heartbeatAgeSeconds * 1_000 + this.#now() - this.#measuredAt;
  }

  /** Whether the newest heartbeat is older than MAX_REPLICATION_AGE_MS allows. */
  get isTooOld(): boolean {
    const { maxAgeMs } = this.#options;
    return maxAgeMs !== undefined && (this.ageMs ?? Number.POSITIVE_INFINITY) > maxAgeMs;
  }

  /** Logs one line per minute while replication stands still, and sooner if the region fails to apply changes. */
  check(): void {
    const { ageMs, lag } = this;
    if (ageMs === undefined || (ageMs <= STALLED_AFTER_MS && !this.#isFailing)) return;
    if (this.#now() - this.#loggedAt < LOG_INTERVAL_MS) return;
    this.#loggedAt = this.#now();
    const measuredBeforeMs = this.#now() - this.#measuredAt;
    if (measuredBeforeMs > MEASURED_WITHIN_MS) {
      const seconds = Math.round(measuredBeforeMs / 1_000);
      this.#options.logger.error(
        { replication_age_seconds: Math.round(ageMs / 1_000) },
        `this pod has not read its replica for ${seconds} s, so it knows nothing about the replication: it cannot reach the replica, or the replica responds too slowly (docs/operations.md, Replication)`,
      );
      return;
    }
    const cause = lag?.subscription
      ? replicationFault(lag.subscription, {
          failing: this.#isFailing,
          disconnected: this.#now() - this.#disconnectedAt < RETRY_WITHIN_MS,
          settled: this.#now() - this.#disconnectedAt > SETTLED_AFTER_MS,
          reconnected: this.#disconnectedAt > this.#heartbeatAt,
        })
      : 'the control plane is down, or replication has stopped';
    this.#options.logger.error(
      {
        replication_age_seconds: Math.round(ageMs / 1_000),
        ...(lag?.subscription && { apply_errors: lag.subscription.errors }),
      },
      `no heartbeat arrives from the primary: ${cause} (docs/operations.md, Replication)`,
    );
  }
}
