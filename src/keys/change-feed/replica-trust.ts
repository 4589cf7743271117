import type { Logger } from 'pino';
import { countOf } from '../../lib/count-of.ts';
import type { Change } from './change.ts';
import { highestCounter } from './plausible-counter.ts';

/** What a replica says about its own rows (docs/adr/0015). */
export interface ReplicaEvidence {
  /** Name of the history that the rows belong to. */
  generation: string;
  /**
   * The generation since which no version of a row became lower: this one, or an earlier one if only differences were found since.
   * Unset: this one.
   */
  lineage?: string;
  /** Of the newest heartbeat; grows by one with each. */
  counter: number;
  /** Time since the newest heartbeat was written. */
  beatAgeSeconds: number;
  /** Whether a heartbeat of the primary has arrived since the replica's server started. */
  isContacted: boolean;
  /** When the replica's server started, as a text. */
  serverStartedAt: string;
  /** Buckets of keys and of roles that differ from the primary, or were not compared since a break of the history. */
  keyBuckets: readonly number[];
  roleBuckets: readonly number[];
  /** How many of these only wait for a comparison. */
  unverifiedBuckets: number;
}

/** `unexamined`: the replica has shown no evidence yet. */
export type RowVerdict = 'counts' | 'refused' | 'unexamined';

/** The newest counter of a generation that a pod of the region has stored. */
export interface SharedCounter {
  counter: number;
  /** Whether a pod has stored it a short time ago. Else a newer one may exist, so that it confirms nothing. */
  isRecent: boolean;
}

/**
 * Newest counters of generations, which pods share in Redis. They survive a restore of the replica and a restart of the pod. Counters
 * above `highest` cannot be true: they are ignored and replaced.
 */
export interface SharedCounters {
  /** The Redis key, for operators. */
  nameOf(generation: string): string;
  read(generation: string, highest: number): Promise<SharedCounter | undefined>;
  store(generation: string, counter: number, highest: number): Promise<void>;
}

export interface ReplicaTrustOptions {
  /** `undefined` without Redis. */
  shared: SharedCounters | undefined;
  logger: Logger;
}

/** Servers behind one address, before the oldest is forgotten. */
const MAX_SERVERS = 100;

/**
 * Decides which rows of the replica count. While a row does not count, its key gets 503: it may be valid, and it may be revoked.
 *
 * A replica may be an older copy of itself. It counts only if it has what this pod, or another pod of the region, has seen of it
 * before; and if none has seen it lately, then only after a heartbeat that has arrived since its server started.
 */
export class ReplicaTrust {
  readonly #options: ReplicaTrustOptions;
  #wasExamined = false;
  #obstacle: string | undefined;
  readonly #servers = new Set<string>();
  #generation: string | undefined;
  #counter = 0;
  /** The counter to reach before this pod has used a generation. */
  #shared: { generation: string; counter: number } | undefined;
  #keyBuckets: ReadonlySet<number> = new Set();
  #roleBuckets: ReadonlySet<number> = new Set();
  /** Buckets that only wait for a comparison. */
  unverifiedBuckets = 0;

  constructor(options: ReplicaTrustOptions) {
    this.#options = options;
  }

  /** Whether the replica as a whole counts. */
  get isTrusted(): boolean {
    return this.#wasExamined && this.#obstacle === undefined;
  }

  /**
   * A connection to the replica was opened. If its server is none of those seen so far, or has started again, nothing counts until
   * new evidence has arrived. Before a region has a history, there is nothing to lose.
   * @returns whether that is so: then reads that have begun must be repeated
   */
  connectedTo(serverStartedAt: string): boolean {
    if (this.#servers.has(serverStartedAt)) return false;
    if (this.#servers.size === MAX_SERVERS) this.#servers.clear();
    this.#servers.add(serverStartedAt);
    const hasSuspended = this.#wasExamined && this.#generation !== undefined;
    if (hasSuspended) this.#wasExamined = false;
    return hasSuspended;
  }

  /** Why a pod that starts must not serve requests yet. */
  get obstacles(): string[] {
    if (!this.#wasExamined) return ['the replica was not examined yet'];
    if (this.#obstacle !== undefined) return [this.#obstacle];
    return this.unverifiedBuckets === 0
      ? []
      : [`not compared with the primary yet: ${countOf(this.unverifiedBuckets, 'bucket')} of rows`];
  }

  /** Whether the row of a key counts now. @param bucketOf computes its bucket, only if that matters */
  judgeKey(bucketOf: () => number): RowVerdict {
    return this.#judgeRow(this.#keyBuckets, bucketOf);
  }

  /** As `judgeKey`, for the roles of a scope. */
  judgeRoles(bucketOf: () => number): RowVerdict {
    return this.#judgeRow(this.#roleBuckets, bucketOf);
  }

  /**
   * Takes new evidence, and from then on refuses what does not count.
   * @param evidence `undefined` if no heartbeat has arrived: then the region is incomplete, and has no wrong rows
   * @returns what the caches must apply
   */
  async observe(evidence: ReplicaEvidence | undefined): Promise<Change[]> {
    if (evidence === undefined) {
      this.#judge(undefined);
      return [];
    }
    const { generation, lineage, counter, beatAgeSeconds, serverStartedAt } = evidence;
    this.#servers.add(serverStartedAt);
    const obstacle = await this.#obstacleOf(evidence);
    const changes: Change[] = [];
    const isNewGeneration = this.#generation !== generation;
    if (obstacle === undefined) {
      if (isNewGeneration) changes.push({ entity: 'history', generation, lineage });
      this.#generation = generation;
      this.#counter = counter;
      void this.#options.shared?.store(generation, counter, highestCounter(counter, beatAgeSeconds));
    }
    const hasBlocked = this.#block(evidence);
    const hasLostTrust = this.#judge(obstacle);
    if (changes.length === 0 && (hasBlocked || hasLostTrust)) changes.push({ entity: 'everything' });
    return changes;
  }

  #judgeRow(refused: ReadonlySet<number>, bucketOf: () => number): RowVerdict {
    if (!this.#wasExamined) return 'unexamined';
    if (this.#obstacle !== undefined) return 'refused';
    return refused.size > 0 && refused.has(bucketOf()) ? 'refused' : 'counts';
  }

  async #obstacleOf(evidence: ReplicaEvidence): Promise<string | undefined> {
    const { generation, counter, isContacted } = evidence;
    if (generation === this.#generation)
      return counter < this.#counter ? `${behind(this.#counter - counter)}; ${CATCHES_UP}` : undefined;
    const latest = await this.#sharedCounter(evidence);
    const { counter: newest = counter } = this.#shared ?? {};
    if (counter < newest) return this.#behindRedis(generation, newest - counter);
    // That a counter once was high proves nothing: Redis may be a copy, as the replica may be.
    const isConfirmed = latest?.isRecent === true && latest.counter <= counter;
    return isContacted || isConfirmed ? undefined : this.#unconfirmed(generation);
  }

  /**
   * The counter to reach never rises, because another standby of the region may always be ahead of this pod's. It falls if a pod
   * has replaced a wrong one.
   */
  async #sharedCounter(evidence: ReplicaEvidence): Promise<SharedCounter | undefined> {
    const { generation, counter, beatAgeSeconds } = evidence;
    const latest = await this.#options.shared?.read(generation, highestCounter(counter, beatAgeSeconds));
    const former = this.#shared?.generation === generation ? this.#shared.counter : Number.POSITIVE_INFINITY;
    const toReach = Math.min(former, latest?.counter ?? Number.POSITIVE_INFINITY);
    this.#shared = Number.isFinite(toReach) ? { generation, counter: toReach } : undefined;
    return latest;
  }

  #behindRedis(generation: string, heartbeats: number): string {
    const redisKey = this.#options.shared?.nameOf(generation);
    return `${behind(heartbeats)}, by the counter in Redis; ${CATCHES_UP}; if it was not restored, find out who can write to Redis, delete the Redis key ${redisKey} and restart this pod`;
  }

  #unconfirmed(generation: string): string {
    const redisKey = this.#options.shared?.nameOf(generation);
    const inRedis = redisKey === undefined ? '' : `, and Redis has no recent counter of it (key ${redisKey})`;
    return `the server of the replica has started and received no heartbeat of the primary yet${inRedis}, so it may be an older copy; it counts after a heartbeat`;
  }

  /** @returns whether a bucket is refused that was not before */
  #block({ keyBuckets, roleBuckets, unverifiedBuckets }: ReplicaEvidence): boolean {
    const hasBlocked =
      keyBuckets.some((bucket) => !this.#keyBuckets.has(bucket)) ||
      roleBuckets.some((bucket) => !this.#roleBuckets.has(bucket));
    const countBefore = this.#keyBuckets.size + this.#roleBuckets.size;
    this.#keyBuckets = new Set(keyBuckets);
    this.#roleBuckets = new Set(roleBuckets);
    this.unverifiedBuckets = unverifiedBuckets;
    this.#logBuckets(countBefore, keyBuckets.length + roleBuckets.length);
    return hasBlocked;
  }

  #logBuckets(before: number, buckets: number): void {
    const { logger } = this.#options;
    if (before === 0 && buckets > 0) {
      logger.error(
        { buckets, unverified_buckets: this.unverifiedBuckets },
        'rows of the replica differ from the primary or must be compared; their keys get 503 until they are equal (docs/operations.md, A region that differs)',
      );
    } else if (before > 0 && buckets === 0) logger.info('all rows of the replica equal those of the primary');
  }

  /** @returns whether the replica counted until now */
  #judge(obstacle: string | undefined): boolean {
    const former = this.#obstacle;
    this.#wasExamined = true;
    this.#obstacle = obstacle;
    if (obstacle !== undefined && obstacle !== former)
      this.#options.logger.error(`no key is accepted: ${obstacle}`);
    else if (obstacle === undefined && former !== undefined && this.#generation !== undefined)
      this.#options.logger.info('the replica has the rows that this region had before');
    return former === undefined && obstacle !== undefined;
  }
}

const CATCHES_UP = 'it counts again when it has caught up';

function behind(heartbeats: number): string {
  return `the replica is ${heartbeats} heartbeats behind what this region had before: it was restored, or is another server`;
}
