import type { Logger } from 'pino';
import { REPEAT_LOST_REVOCATIONS } from '../../database/region/lost-revocations.ts';
import { LogLimiter } from '../../lib/log-limiter.ts';
import { messageOf } from '../../lib/message-of.ts';
import { Wakeup } from '../../lib/wakeup.ts';
import type { Change, ChangeListener } from './change.ts';
import { type ChangeSource, PATIENCE_MS } from './change-source.ts';
import type { ClockCheck } from './clock-check.ts';
import type { Freshness } from './freshness.ts';
import type { LoginWatch } from './login-sessions.ts';
import type { RecentChanges } from './recent-changes.ts';
import type { ReplicaTrust } from './replica-trust.ts';
import type { ReplicationWatch } from './replication-watch.ts';

/** Breaks at which the primary may have lost changes, revocations included. */
const LOSSES = new Set(['gap', 'counter_backwards', 'epoch_backwards', 'other_primary']);
const EVIDENCE_INTERVAL_MS = 1_000;
const MIN_RETRY_DELAY_MS = 50;
const MAX_RETRY_DELAY_MS = 1_000;
/** Each failed attempt to connect gives the next one more time, up to `PATIENCE_MS`. */
const CONNECT_TIMEOUT_GROWTH = 4;
/** Reads the evidence less often if the replica is slow, since changes wait for it. */
const READS_PER_EVIDENCE = 5;
const BREAK_LOG_INTERVAL_MS = 60_000;

export interface ChangeFeedDeps {
  source: ChangeSource;
  freshness: Freshness;
  changes: RecentChanges;
  replication: ReplicationWatch;
  trust: ReplicaTrust;
  login: LoginWatch;
  clock: ClockCheck;
  /** Receive every change in commit order, after `changes`. */
  listeners: readonly ChangeListener[];
  logger: Logger;
  now: () => number;
  checkIntervalMs: number;
  /** Age of the oldest change in the backlog. */
  windowMs: number;
  windowLimit: number;
  /** Timeout of the first attempt to connect. */
  connectTimeoutMs: number;
  /** A response that takes longer is slow. */
  slowAfterMs: number;
  /** Called after each failure, and while a response is slow: the replica may be silent for lookups too. */
  onFailure?: () => void;
  /** Called once, after the feed has read its backlog. */
  onCaughtUp?: () => void;
}

interface Connection {
  disconnectError: Error | undefined;
}

/**
 * Keeps the caches of this process in step with the replica. It reads on every notification and at least every
 * `checkIntervalMs`. A read that is not behind proves that every change committed before it is applied, and nothing else
 * moves `freshness.appliedUntilMs`. So the feed detects a lost or silent connection within the interval plus `slowAfterMs`.
 */
export class ChangeFeed {
  readonly #deps: ChangeFeedDeps;
  readonly #wakeup = new Wakeup();
  readonly #stop = new AbortController();
  #connectTimeoutMs: number;
  #connection: Connection = { disconnectError: undefined };
  #caughtUp = false;
  #hasHistory = false;
  readonly #breakLog = new LogLimiter(() => performance.now(), BREAK_LOG_INTERVAL_MS);
  #running: Promise<void> | undefined;
  #connected = false;
  /** Message of the last failure; `undefined` while the feed works. */
  failure: string | undefined;
  /** Applied changes and lost connections, for metrics. */
  readonly counts = { applied: 0, broken: 0 };

  constructor(deps: ChangeFeedDeps) {
    this.#deps = deps;
    this.#connectTimeoutMs = deps.connectTimeoutMs;
  }

  /** The feed has read its backlog: entries that are cached from now on are protected by it. */
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
    this.#stop.abort();
    this.#deps.source.close();
    this.#wakeup.notify();
    await this.#running;
  }

  get #stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  async #run(): Promise<void> {
    let retryDelayMs = MIN_RETRY_DELAY_MS;
    while (!this.#stopping) {
      try {
        await this.#connect();
        await this.#follow((inTime) => {
          retryDelayMs = MIN_RETRY_DELAY_MS;
          if (inTime) this.#reportRecovery();
        });
      } catch (error) {
        if (this.#stopping) return;
        this.counts.broken += 1;
        this.#reportFailure(error);
        if (this.#deps.clock.judge()) this.#restartTimes();
        this.#deps.onFailure?.();
      } finally {
        this.#connected = false;
        this.#deps.source.close();
      }
      this.#wakeup.reset();
      if (!this.#stopping) await this.#wakeup.wait(retryDelayMs);
      retryDelayMs = Math.min(2 * retryDelayMs, MAX_RETRY_DELAY_MS);
    }
  }

  async #connect(): Promise<void> {
    const connection: Connection = { disconnectError: undefined };
    this.#connection = connection;
    const timeoutMs = this.#connectTimeoutMs;
    // Until this attempt has succeeded, the next one gets more time.
    this.#connectTimeoutMs = Math.min(CONNECT_TIMEOUT_GROWTH * timeoutMs, PATIENCE_MS);
    const connecting = this.#deps.source.connect(
      () => this.#wakeup.notify(),
      (error) => {
        // A closed connection may report its end late, while the next one is in use.
        connection.disconnectError ??= error;
        // A failed connect reports its end too, and must not shorten the delay before the next attempt.
        if (this.#connected) this.#wakeup.notify();
      },
      { timeoutMs, signal: this.#stop.signal },
    );
    await this.#await(connecting);
    this.#connected = true;
    this.#connectTimeoutMs = this.#deps.connectTimeoutMs;
  }

  /** Waits for the source; reports when that takes long. */
  async #await<T>(response: Promise<T>): Promise<T> {
    const { slowAfterMs, onFailure } = this.#deps;
    const timer = setInterval(() => {
      this.#reportSlowness();
      onFailure?.();
    }, slowAfterMs);
    try {
      return await response;
    } finally {
      clearInterval(timer);
    }
  }

  #reportSlowness(): void {
    if (this.failure !== undefined) return;
    this.failure = 'the replica responds slowly';
    this.#deps.logger.warn('the replica responds slowly; the change feed waits for it');
  }

  /** One line per outage and cause, because the feed retries every second. */
  #reportFailure(error: unknown): void {
    const cause = messageOf(error);
    if (cause !== this.failure)
      this.#deps.logger.warn({ err: error }, 'the change feed failed; reconnecting');
    this.failure = cause;
  }

  #reportRecovery(): void {
    if (this.failure !== undefined) this.#deps.logger.info('the change feed works again');
    this.failure = undefined;
  }

  /** @param onRead called after each successful read */
  async #follow(onRead: (inTime: boolean) => void): Promise<void> {
    const { source, now, checkIntervalMs, freshness, replication, trust, clock, slowAfterMs } = this.#deps;
    // On a new connection the replica may be another server, or a restored one.
    await this.#examine();
    let evidenceDueMs = clock.monotonicNow() + EVIDENCE_INTERVAL_MS;
    if (!this.#caughtUp) await this.#catchUp();
    while (!this.#stopping) {
      this.#wakeup.reset();
      if (this.#connection.disconnectError !== undefined) throw this.#connection.disconnectError;
      // Read the clock before the replica: a change that commits during the query may be missing from its result.
      const requestedAtMs = now();
      const sentAtMs = clock.monotonicNow();
      const { changes, more, behind, hasNewEvidence, replicaTimeMs } = await this.#await(source.read());
      const readMs = clock.monotonicNow() - sentAtMs;
      const clockTurned = replicaTimeMs !== undefined && clock.compare(replicaTimeMs, sentAtMs);
      if (clockTurned) this.#restartTimes();
      const isDue = clock.monotonicNow() >= evidenceDueMs || !replication.complete || !trust.isTrusted;
      if (hasNewEvidence || isDue) {
        evidenceDueMs = clock.monotonicNow() + Math.max(EVIDENCE_INTERVAL_MS, READS_PER_EVIDENCE * readMs);
        await this.#examine();
      }
      for (const change of changes) this.#apply(change);
      // After a turn of the clock `requestedAtMs` may be a time of the former one.
      if (more || clockTurned) continue;
      if (!behind) freshness.appliedUntilMs = requestedAtMs;
      onRead(readMs < slowAfterMs);
      await this.#wakeup.wait(checkIntervalMs);
    }
  }

  /** Before the changes of the read are applied: what does not count any more is refused first, then dropped. */
  async #examine(): Promise<void> {
    const { source, replication, trust, login } = this.#deps;
    // First: the next statements may need what these sessions hold.
    login.observe(await this.#await(source.endBlockingSessions()));
    const lag = await this.#await(source.lag());
    for (const change of await trust.observe(lag?.evidence)) {
      if (change.entity === 'history') this.#reportBreak(change.generation, lag?.breakReason);
      this.#apply(change);
    }
    // Not sooner: after a break a new heartbeat means that nothing is missing only for the rows that count.
    replication.observe(lag);
  }

  /** The first generation that a pod sees is no break. A resync begins one for each bucket that differs. */
  #reportBreak(generation: string, reason: string | undefined): void {
    const advice = LOSSES.has(reason ?? '')
      ? `; the primary may have lost revocations: run "iam region status" when all rows are compared (${REPEAT_LOST_REVOCATIONS})`
      : '';
    const suppressed = this.#hasHistory ? this.#breakLog.admit(reason ?? '') : undefined;
    if (suppressed !== undefined)
      this.#deps.logger.warn(
        { generation, reason, suppressed },
        `a new generation of the region's rows began (${reason ?? 'unknown reason'}); this pod uses nothing that it cached before${advice}`,
      );
    this.#hasHistory = true;
  }

  async #catchUp(): Promise<void> {
    const { source, changes, listeners, windowMs, windowLimit, onCaughtUp } = this.#deps;
    const backlog = await this.#await(source.readBacklog(windowMs, windowLimit));
    changes.startAt(backlog.trustedSinceMs);
    for (const change of backlog.changes) changes.apply(change);
    // Any entry cached so far may be older than the backlog, so drop all. No replay: a starting pod must not repeat
    // the fence writes of the last minutes in Redis.
    for (const listener of listeners) listener.apply({ entity: 'everything' });
    this.#caughtUp = true;
    onCaughtUp?.();
  }

  /**
   * The clock of this pod became wrong, or right again. A copy with a time of the former clock may look fresh later, so
   * none is kept.
   */
  #restartTimes(): void {
    const { freshness, changes, listeners } = this.#deps;
    freshness.appliedUntilMs = Number.NEGATIVE_INFINITY;
    changes.restartTimes();
    for (const listener of listeners) listener.apply({ entity: 'everything' });
  }

  #apply(change: Change): void {
    this.#deps.changes.apply(change);
    for (const listener of this.#deps.listeners) listener.apply(change);
    this.counts.applied += 1;
  }
}
