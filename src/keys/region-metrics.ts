import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { BoundedVerifier, VerifierObserver } from './bounded-verifier.ts';
import type { MemoryKeyStore } from './cache/memory-key-store.ts';
import type { FencedCache } from './cache/redis/fenced-cache.ts';
import type { RedisLink } from './cache/redis/redis-link.ts';
import type { SharedFences } from './cache/redis/shared-fences.ts';
import type { ChangeFeed } from './change-feed/change-feed.ts';
import type { ClockCheck } from './change-feed/clock-check.ts';
import type { Freshness } from './change-feed/freshness.ts';
import type { LoginWatch } from './change-feed/login-sessions.ts';
import type { ReplicaTrust } from './change-feed/replica-trust.ts';
import type { ReplicationWatch } from './change-feed/replication-watch.ts';
import type { LostRevocations } from './lost-revocations.ts';
import type { WrongSecretGuard } from './tagged-verifier.ts';

/** The objects that the metrics read. */
interface RegionDeps {
  feed: ChangeFeed;
  freshness: Freshness;
  replication: ReplicationWatch;
  login: LoginWatch;
  lostRevocations: LostRevocations;
  trust: ReplicaTrust;
  clock: ClockCheck;
  hashing: BoundedVerifier;
  keys: MemoryKeyStore;
  redis: RedisLink | undefined;
  fenced: FencedCache | undefined;
  fences: SharedFences | undefined;
}

/** Histograms of the argon2 queue. */
export function verifierObserver(registry: Registry): VerifierObserver {
  const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
  const histogram = (name: string, help: string) =>
    new Histogram({ name, help, buckets, registers: [registry] });
  const wait = histogram('iam_argon2_wait_seconds', 'Time that a secret waited in the argon2 queue.');
  const run = histogram('iam_argon2_run_seconds', 'Time of an argon2 comparison.');
  return (waitSeconds, runSeconds) => {
    wait.observe(waitSeconds);
    run.observe(runSeconds);
  };
}

/** Counts wrong secrets by what refused them. */
export function wrongSecretCounter(registry: Registry): (guard: WrongSecretGuard) => void {
  const counter = new Counter({
    name: 'iam_wrong_secrets_total',
    help: 'Wrong secrets of known keys, by what refused them: the secret tag, or argon2 or its remembered result.',
    labelNames: ['guard'],
    registers: [registry],
  });
  for (const guard of ['tag', 'argon2'] satisfies WrongSecretGuard[]) counter.inc({ guard }, 0);
  return (guard) => counter.inc({ guard });
}

/** Metrics of the caches, the change feed and the verifier, read at each scrape. */
export function registerRegionMetrics(registry: Registry, region: RegionDeps, now: () => number): void {
  const {
    feed,
    freshness,
    replication,
    login,
    lostRevocations,
    trust,
    clock,
    hashing,
    keys,
    redis,
    fenced,
    fences,
  } = region;
  const gauge = (name: string, help: string, value: () => number | undefined) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value() ?? Number.NaN);
      },
    });
  const counter = (name: string, help: string, value: () => number) =>
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  const labelled = (name: string, help: string, label: string, values: () => Record<string, number>) =>
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [registry],
      collect() {
        this.reset();
        for (const [labelValue, count] of Object.entries(values())) this.inc({ [label]: labelValue }, count);
      },
    });

  gauge(
    'iam_change_feed_age_seconds',
    'Time since the change feed last confirmed that it is complete.',
    () => {
      return (now() - freshness.appliedUntilMs) / 1_000;
    },
  );
  gauge('iam_change_feed_connected', '1 if the change feed is connected, else 0.', () =>
    Number(feed.connected),
  );
  labelled(
    'iam_change_feed_events_total',
    'Applied changes and lost connections of the change feed.',
    'event',
    () => feed.counts,
  );
  gauge(
    'iam_replication_lag_seconds',
    'Time from the commit of the newest heartbeat on the primary to its arrival in the region.',
    () => {
      return replication.applySeconds;
    },
  );
  gauge(
    'iam_heartbeat_age_seconds',
    'Time since the newest heartbeat of the primary arrived in the region.',
    () => replication.ageMs && replication.ageMs / 1_000,
  );
  counter(
    'iam_apply_errors_total',
    'Errors of the subscription: changes that the region failed to apply or to copy, each attempt once, and lost connections to the primary. The log of its server has the error.',
    () => replication.lag?.subscription?.errors ?? 0,
  );
  counter(
    'iam_ended_sessions_total',
    'Sessions of the login of this service that this pod ended, because they held up the region. No pod has such a session.',
    () => login.ended,
  );
  gauge(
    'iam_notification_queue_usage',
    "Used share of the queue of notifications of the region's server, 0 to 1. From 0.5 on, the region sends none.",
    () => login.notifyQueueUsage,
  );
  gauge('iam_replica_complete', '1 if the region has all rows of the primary, else 0.', () =>
    Number(replication.complete),
  );
  gauge(
    'iam_replica_trusted',
    '1 if the replica has all that this region had before, else 0: then every key gets 503.',
    () => Number(trust.isTrusted),
  );
  gauge(
    'iam_unverified_buckets',
    'Buckets of keys and roles that were not compared with the primary since a break of its history.',
    () => trust.unverifiedBuckets,
  );
  gauge(
    'iam_diverged_buckets',
    'Buckets of keys and roles whose rows in the region differ from those of the primary.',
    () => replication.lag?.divergedBuckets,
  );
  gauge(
    'iam_lost_revocations',
    'Keys that are accepted again, because the primary has lost their revocation and it was not repeated yet.',
    () => lostRevocations.count,
  );
  gauge(
    'iam_comparison_age_seconds',
    'Age of the oldest comparison of a part of the rows with the primary.',
    () => replication.lag?.comparisonAgeSeconds,
  );
  gauge(
    'iam_clock_offset_seconds',
    "Difference of the pod's clock from the replica's; positive if the pod is ahead.",
    () => {
      const { offsetMs } = clock;
      return offsetMs && offsetMs / 1_000;
    },
  );
  gauge('iam_cached_keys', 'Number of key records in memory.', () => keys.size);
  counter('iam_cached_keys_evicted_total', 'Key records evicted from memory.', () => keys.evictions);
  gauge('iam_argon2_running', 'Number of running argon2 comparisons.', () => hashing.load.running);
  gauge('iam_argon2_waiting', 'Number of waiting argon2 comparisons.', () => hashing.load.waiting);
  labelled(
    'iam_argon2_shed_total',
    'Comparisons refused because too many wait, by recent wrong secrets of the id: none (clean), from elsewhere (targeted), from here (failing, also if there were too many).',
    'trust',
    () => hashing.shed,
  );
  counter(
    'iam_argon2_abandoned_total',
    'Comparisons that did not run, because the caller closed its connection while it waited.',
    () => hashing.abandoned,
  );
  if (redis !== undefined) {
    gauge(
      'iam_redis_breaker_state',
      'State of the Redis breaker: 0 closed, 1 half-open, 2 open.',
      () => redis.breakerState,
    );
    gauge(
      'iam_redis_up',
      '1 if the pod uses Redis: it is connected, its breaker is closed and the clock of the pod is right. Else 0.',
      () => Number(redis.isUp && clock.isRight),
    );
    gauge(
      'iam_redis_queued_writes',
      'Number of entries that Redis has not taken yet.',
      () => fenced?.queuedWrites,
    );
    gauge(
      'iam_redis_queued_fences',
      'Number of changes that Redis has not taken yet. Meanwhile a pod that is cut off from the replica does not learn of them.',
      () => fences?.queued,
    );
    labelled(
      'iam_redis_commands_total',
      'Redis commands by result. refused: Redis replied with an error.',
      'result',
      () => redis.counts,
    );
  }
}
