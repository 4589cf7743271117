import type { Logger } from 'pino';
import type { Lag } from './change-source.ts';

/** Beyond this age of the newest heartbeat, of one per second, replication counts as stopped. */
const STALLED_AFTER_MS = 30_000;
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
  }

  /** Whether the replica has had every row of the primary, as of some heartbeat. Without it, an unknown key may be valid. */
  get complete(): boolean {
    return this.lag?.complete === true;
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

  /** Logs one line per minute while replication stands still. */
  check(): void {
    const { ageMs } = this;
    if (ageMs === undefined || ageMs <= STALLED_AFTER_MS) return;
    if (this.#now() - this.#loggedAt < LOG_INTERVAL_MS) return;
    this.#loggedAt = this.#now();
    this.#options.logger.error(
      { replication_age_seconds: Math.round(ageMs / 1_000) },
      'no heartbeat arrives from the primary: the control plane is down, or replication has stopped (docs/operations.md, Replication)',
    );
  }
}
