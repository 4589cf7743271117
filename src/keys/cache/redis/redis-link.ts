import { CircuitState, ConsecutiveBreaker, circuitBreaker, handleWhen } from 'cockatiel';
import { ReplyError } from 'ioredis';
import { TickBatcher } from '../../../lib/tick-batcher.ts';
import { connectRedis, type RedisClient } from './redis-client.ts';

/** Failures in a row after which Redis is left alone, and for how long. */
const BREAK_AFTER_FAILURES = 5;
const TRY_AGAIN_AFTER_MS = 1_000;

/** Places in one MGET at most: Redis does nothing else meanwhile. */
const READ_AT_A_TIME = 256;

export interface RedisLinkOptions {
  url: string;
  cluster: boolean;
  /** Deadline of a command. */
  timeoutMs: number;
  /** Told once when Redis stops being of use, whatever happens after that, and once when it is used again. */
  onLost: (error: Error) => void;
  onBack: () => void;
}

/** Where the newest version of an API key is noted, and for how long. */
export interface Fence {
  place: string;
  ttlMs: number;
}

/** What is stored behind a fence, in the same slot of a cluster. */
export interface Entry {
  place: string;
  sealed: Buffer;
  ttlMs: number;
}

/** Redis did not answer within the deadline. */
class LateError extends Error {
  override name = 'LateError';
}

/**
 * Redis as this service uses it: with a deadline and a breaker. Nothing here ever fails a request: a command that errs,
 * is late, or is not sent because Redis is known to be gone resolves to `undefined`.
 */
export class RedisLink {
  readonly #client: RedisClient;
  readonly #options: RedisLinkOptions;
  readonly #reads: TickBatcher<string, Buffer | null | undefined>;
  // An error that Redis itself replies with (out of memory, loading, no permission) is an answer, and a quick one:
  // it must not end the use of what still works. The breaker is against silence.
  readonly #breaker = circuitBreaker(
    handleWhen((error) => !(error instanceof ReplyError)),
    { halfOpenAfter: TRY_AGAIN_AFTER_MS, breaker: new ConsecutiveBreaker(BREAK_AFTER_FAILURES) },
  );
  #lost = false;
  /** Commands by what became of them, for metrics. */
  readonly counts = { ok: 0, failed: 0, late: 0, skipped: 0 };

  constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.#client = connectRedis(options.url, options.cluster);
    // A cluster takes only places of one slot at a time.
    this.#reads = new TickBatcher<string, Buffer | null | undefined>(
      options.cluster ? 1 : READ_AT_A_TIME,
      async (places) => (await this.#run(() => this.#client.mgetBuffer(...places))) ?? [],
    );
    this.#client.on('error', (error: unknown) => this.#lose(error as Error));
    this.#client.on('ready', () => this.#regain());
    this.#breaker.onBreak((reason) => {
      if ('error' in reason) this.#lose(reason.error as Error);
    });
    this.#breaker.onReset(() => this.#regain());
  }

  /** 0 closed (in use), 1 half open (being tried), 2 open (left alone). */
  get breakerState(): number {
    const { state } = this.#breaker;
    return state === CircuitState.Closed ? 0 : state === CircuitState.HalfOpen ? 1 : 2;
  }

  /** The value at a place, `null` when there is none; `undefined` when Redis did not answer in time. */
  read(place: string): Promise<Buffer | null | undefined> {
    return this.#reads.add(place);
  }

  /** Notes a version at a fence, unless it has seen a newer one. */
  raiseFence(fence: Fence, version: number): Promise<unknown> {
    return this.#run(() => this.#client.raiseFence(fence.place, versionText(version), fence.ttlMs));
  }

  /** Stores an entry and notes its version at the fence, unless that has seen a newer one. */
  store(fence: Fence, version: number, { place, sealed, ttlMs }: Entry): Promise<unknown> {
    return this.#run(() =>
      this.#client.storeUnlessNewer(fence.place, place, versionText(version), fence.ttlMs, sealed, ttlMs),
    );
  }

  close(): void {
    this.#client.disconnect();
  }

  async #run<T>(command: () => Promise<T>): Promise<T | undefined> {
    // While one command tries whether Redis is back, no other request waits for the result.
    if (this.#breaker.state === CircuitState.HalfOpen) {
      this.counts.skipped += 1;
      return undefined;
    }
    let sent = false;
    try {
      const answer = await this.#breaker.execute(() => {
        sent = true;
        return this.#inTime(command());
      });
      this.counts.ok += 1;
      return answer;
    } catch (error) {
      this.counts[!sent ? 'skipped' : error instanceof LateError ? 'late' : 'failed'] += 1;
      return undefined;
    }
  }

  /**
   * When time is up the sockets are looked at once more: after a pause of this process the answer may have been lying
   * there, and Redis must not be blamed for it.
   */
  #inTime<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => setImmediate(() => reject(new LateError('Redis did not answer in time'))),
        this.#options.timeoutMs,
      );
      answer.then(
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

  #lose(error: Error): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#options.onLost(error);
  }

  #regain(): void {
    if (!this.#lost || this.breakerState !== 0 || this.#client.status !== 'ready') return;
    this.#lost = false;
    this.#options.onBack();
  }
}

const VERSION_DIGITS = 16;

function versionText(version: number): string {
  return version.toString(16).padStart(VERSION_DIGITS, '0');
}
