import { setTimeout as sleep } from 'node:timers/promises';
import { CircuitState, circuitBreaker, handleWhen, SamplingBreaker } from 'cockatiel';
import { ReplyError } from 'ioredis';
import { LogLimiter } from '../../../lib/log-limiter.ts';
import { TickBatcher } from '../../../lib/tick-batcher.ts';
import { connectRedis, type RedisClient, type RedisServer, readRanges } from './redis-client.ts';
import { LAYOUT } from './redis-keys.ts';

/**
 * The breaker opens if more than half of the reads of the last second, and at least five, failed. A few late replies
 * are normal under load.
 */
const OPEN = { threshold: 0.5, duration: 1_000, minimumRps: 5 };
const PROBE_INTERVAL_MS = 1_000;

/** Timeout of a write. No request waits for one. */
const WRITE_TIMEOUT_MS = 1_000;

/** Of a command, and of a command in a script (Redis 7.0, and later). */
const MISSING_PERMISSION = /^NOPERM|can't run this command|ACL failure in script/;

/** A refusal, such as for a lack of memory, affects every request, so each kind is reported at this interval. */
const REFUSAL_REPORT_INTERVAL_MS = 60_000;

/** A key that does not exist. */
const PROBE_KEY = `${LAYOUT}:probe`;

/** Maximum keys of one round trip, and so of one timeout. */
const MAX_KEYS_PER_READ = 256;

export interface RedisLinkOptions extends RedisServer {
  /** Timeout of one read. */
  timeoutMs: number;
  /** Called once per outage, with the first error. */
  onUnavailable: (error: Error) => void;
  /** Called once at the end of an outage. */
  onAvailable: () => void;
  /** Called when Redis replies with an error, at most once per minute and kind. @param kind such as `OOM`, or `NOPERM` in all its forms */
  onRefused: (error: Error, kind: string) => void;
}

/** Holds the newest version of an API key that any pod has seen. */
export interface Fence {
  redisKey: string;
  ttlMs: number;
  /** A higher value cannot be true, and is replaced; `undefined` if every value can be. */
  highest?: number | undefined;
  /** Written after the number. */
  proof?: string | undefined;
}

/** A value that a fence protects, in the same slot of a cluster. */
export interface Entry {
  redisKey: string;
  sealed: Buffer;
  ttlMs: number;
}

/** A value to read. Longer ones are cut: others may write to Redis. */
export interface Range {
  redisKey: string;
  maxBytes: number;
}

class RedisTimeoutError extends Error {
  override name = 'RedisTimeoutError';
}

/**
 * Runs Redis commands with a timeout and a circuit breaker. No method rejects, so Redis never fails a request: a
 * command that fails, times out, or is not sent because the breaker is open resolves to `undefined`.
 *
 * Requests wait for reads, so only reads have the short timeout and decide whether the breaker opens. Writes are slower
 * under load, since each waits for those before it.
 */
export class RedisLink {
  readonly #client: RedisClient;
  readonly #options: RedisLinkOptions;
  readonly #reads: TickBatcher<Range, Buffer | null | undefined>;
  // The breaker protects against timeouts. An error reply of Redis (out of memory, loading, no permission) arrives
  // fast, and other commands may still work, so it does not count as a failure.
  readonly #breaker = circuitBreaker(
    handleWhen((error) => !(error instanceof ReplyError)),
    { halfOpenAfter: 0, breaker: new SamplingBreaker(OPEN) },
  );
  #unavailable = false;
  #recovering = false;
  #closed = false;
  readonly #refusals = new LogLimiter(() => performance.now(), REFUSAL_REPORT_INTERVAL_MS);
  /** Commands by result, for metrics. */
  readonly counts = { ok: 0, refused: 0, failed: 0, late: 0, skipped: 0 };

  constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.#client = connectRedis(options);
    // The keys of a cluster are in many nodes.
    this.#reads = new TickBatcher<Range, Buffer | null | undefined>(
      options.cluster ? 1 : MAX_KEYS_PER_READ,
      async (ranges) => (await this.#read(() => readRanges(this.#client, ranges))) ?? [],
    );
    this.#client.on('error', (error: Error) => {
      if (MISSING_PERMISSION.test(error.message)) this.#reportRefusal(error);
      this.#markUnavailable(error);
    });
    this.#client.on('ready', () => this.#markAvailable());
    this.#breaker.onBreak((reason) => {
      if ('error' in reason) this.#markUnavailable(reason.error as Error);
      void this.#recover();
    });
    this.#breaker.onReset(() => this.#markAvailable());
  }

  /** Breaker state: 0 closed, 1 half-open, 2 open. */
  get breakerState(): number {
    const { state } = this.#breaker;
    return state === CircuitState.Closed ? 0 : state === CircuitState.HalfOpen ? 1 : 2;
  }

  /** Whether commands are sent to Redis: it is connected, and the breaker is closed. */
  get isUp(): boolean {
    return this.#client.status === 'ready' && this.breakerState === 0;
  }

  /** At most `maxBytes` of the value; `null` for a miss; `undefined` if Redis is unavailable. */
  read(redisKey: string, maxBytes: number): Promise<Buffer | null | undefined> {
    return this.#reads.add({ redisKey, maxBytes });
  }

  /** Raises a fence to `version`, unless it is newer already. @returns `REPLACED` if it could not be true */
  raiseFence(fence: Fence, version: number): Promise<unknown> {
    return this.#write(() =>
      this.#client.raiseFence(
        fence.redisKey,
        versionText(version) + (fence.proof ?? ''),
        fence.ttlMs,
        highestText(fence),
      ),
    );
  }

  /** Stores an entry and raises the fence to its version in one atomic step, unless the fence is newer. */
  store(fence: Fence, version: number, { redisKey, sealed, ttlMs }: Entry): Promise<unknown> {
    return this.#write(() =>
      this.#client.storeUnlessNewer(
        fence.redisKey,
        redisKey,
        versionText(version) + (fence.proof ?? ''),
        fence.ttlMs,
        highestText(fence),
        sealed,
        ttlMs,
      ),
    );
  }

  close(): void {
    this.#closed = true;
    this.#client.disconnect();
  }

  #read<T>(command: () => Promise<T>): Promise<T | undefined> {
    return this.#counted(() => this.#breaker.execute(() => withTimeout(command(), this.#options.timeoutMs)));
  }

  #write<T>(command: () => Promise<T>): Promise<T | undefined> {
    return this.#counted(() => withTimeout(command(), WRITE_TIMEOUT_MS));
  }

  async #counted<T>(command: () => Promise<T>): Promise<T | undefined> {
    if (this.#breaker.state !== CircuitState.Closed) {
      this.counts.skipped += 1;
      return undefined;
    }
    try {
      const reply = await command();
      this.counts.ok += 1;
      return reply;
    } catch (error) {
      this.#countFailure(error);
      return undefined;
    }
  }

  #countFailure(error: unknown): void {
    if (error instanceof RedisTimeoutError) this.counts.late += 1;
    else if (error instanceof ReplyError) {
      this.counts.refused += 1;
      this.#reportRefusal(error as Error);
    } else this.counts.failed += 1;
  }

  /**
   * Probes until Redis responds. No other command is sent meanwhile: requests need not wait for the result, and a pod
   * that answers from memory sends none.
   */
  async #recover(): Promise<void> {
    if (this.#recovering) return;
    this.#recovering = true;
    while (this.#breaker.state !== CircuitState.Closed && !this.#closed) {
      await sleep(PROBE_INTERVAL_MS, undefined, { ref: false });
      const probe = () => withTimeout(this.#client.getrangeBuffer(PROBE_KEY, 0, 0), this.#options.timeoutMs);
      await this.#breaker.execute(probe).catch(() => {});
    }
    this.#recovering = false;
  }

  #reportRefusal(error: Error): void {
    const kind = MISSING_PERMISSION.test(error.message) ? 'NOPERM' : error.message.split(' ', 1).join();
    if (this.#refusals.admit(kind) !== undefined) this.#options.onRefused(error, kind);
  }

  #markUnavailable(error: Error): void {
    if (this.#unavailable) return;
    this.#unavailable = true;
    this.#options.onUnavailable(error);
  }

  #markAvailable(): void {
    if (!this.#unavailable || this.breakerState !== 0 || this.#client.status !== 'ready') return;
    this.#unavailable = false;
    this.#options.onAvailable();
  }
}

/**
 * Rejects only after one more turn of the event loop: after a pause of this process the reply may be waiting in the
 * socket, and the pause must not count as a timeout of Redis.
 */
function withTimeout<T>(reply: Promise<T>, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => setImmediate(() => reject(new RedisTimeoutError('Redis did not reply within the timeout'))),
      timeoutMs,
    );
    reply.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

const VERSION_DIGITS = 16;

function versionText(version: number): string {
  return version.toString(16).padStart(VERSION_DIGITS, '0');
}

function highestText({ highest }: Fence): string {
  return highest === undefined ? '' : versionText(highest);
}
