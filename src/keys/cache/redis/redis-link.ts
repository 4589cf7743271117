import { BrokenCircuitError, CircuitState, ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel';
import { Cluster, Redis } from 'ioredis';

/** Failures in a row after which Redis is left alone, and for how long. */
const BREAK_AFTER_FAILURES = 5;
const TRY_AGAIN_AFTER_MS = 1_000;

/** Redis as this service uses it: `RedisLink` adds deadline and breaker. */
export type RedisClient = Redis | Cluster;

export interface RedisLinkOptions {
  url: string;
  cluster: boolean;
  /** Deadline of a command. */
  timeoutMs: number;
  onError: (error: Error) => void;
}

/**
 * Stores a value at a place unless a newer one is there. Values start with their version in 16 hexadecimal digits;
 * a value that is nothing else is a tombstone. An equal version is overwritten, except by a tombstone.
 */
const STORE_UNLESS_NEWER = `
local held = redis.call('GETRANGE', KEYS[1], 0, 15)
if held > ARGV[1] or (held == ARGV[1] and ARGV[2] == '') then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2], 'PX', ARGV[3])
return 1`;

interface Scripted {
  storeUnlessNewer(place: string, version: string, sealed: Buffer | string, lifeMs: number): Promise<number>;
}

/**
 * The connection to Redis. Nothing here ever fails a request: a command that errs, is late, or is not sent because
 * Redis is known to be gone resolves to `undefined`.
 */
export class RedisLink {
  readonly #client: RedisClient & Scripted;
  readonly #breaker = circuitBreaker(handleAll, {
    halfOpenAfter: TRY_AGAIN_AFTER_MS,
    breaker: new ConsecutiveBreaker(BREAK_AFTER_FAILURES),
  });
  /** Commands by what became of them, for metrics. */
  readonly counts = { ok: 0, failed: 0, skipped: 0 };

  constructor(options: RedisLinkOptions) {
    const client = connect(options);
    client.on('error', options.onError);
    client.defineCommand('storeUnlessNewer', { numberOfKeys: 1, lua: STORE_UNLESS_NEWER });
    this.#client = client as typeof client & Scripted;
  }

  /** 0 closed (in use), 1 half open (being tried), 2 open (left alone). */
  get breakerState(): number {
    const { state } = this.#breaker;
    return state === CircuitState.Closed ? 0 : state === CircuitState.HalfOpen ? 1 : 2;
  }

  /** The values at places of one slot, `null` where there is none; `undefined` when Redis did not answer in time. */
  read(...places: string[]): Promise<(Buffer | null)[] | undefined> {
    return this.#run(() => this.#client.mgetBuffer(...places));
  }

  write(place: string, sealed: Buffer, lifeMs: number): Promise<unknown> {
    return this.#run(() => this.#client.set(place, sealed, 'PX', lifeMs));
  }

  /** @param version decides who wins when several write; @param sealed `undefined` leaves a tombstone */
  writeVersion(place: string, version: number, sealed: Buffer | undefined, lifeMs: number): Promise<unknown> {
    return this.#run(() =>
      this.#client.storeUnlessNewer(place, versionPrefix(version), sealed ?? '', lifeMs),
    );
  }

  close(): void {
    this.#client.disconnect();
  }

  async #run<T>(command: () => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await this.#breaker.execute(command);
      this.counts.ok += 1;
      return answer;
    } catch (error) {
      if (error instanceof BrokenCircuitError) this.counts.skipped += 1;
      else this.counts.failed += 1;
      return undefined;
    }
  }
}

/** Without these a command hangs for as long as an outage lasts. */
function connect({ url, cluster, timeoutMs }: RedisLinkOptions): RedisClient {
  const connection = {
    commandTimeout: timeoutMs,
    connectTimeout: 1_000,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  };
  const client = { enableOfflineQueue: false, enableAutoPipelining: true };
  const pauseMs = (attempt: number) => Math.min(50 * attempt, 1_000);
  if (!cluster) return new Redis(url, { ...connection, ...client, retryStrategy: pauseMs });
  return new Cluster([url], { ...client, redisOptions: connection, clusterRetryStrategy: pauseMs });
}

/** Bytes that `writeVersion` puts in front of a value. */
export const VERSION_PREFIX_BYTES = 16;

function versionPrefix(version: number): string {
  return version.toString(16).padStart(VERSION_PREFIX_BYTES, '0');
}
