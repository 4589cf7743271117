import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { BoundedVerifier, VerifierObserver } from './bounded-verifier.ts';
import type { MemoryKeyStore } from './cache/memory-key-store.ts';
import type { RedisLink } from './cache/redis/redis-link.ts';
import type { ChangeFeed } from './change-feed/change-feed.ts';
import type { Freshness } from './change-feed/freshness.ts';

/** What the metrics of a region are read from. */
interface RegionDeps {
  feed: ChangeFeed;
  freshness: Freshness;
  hashing: BoundedVerifier;
  keys: MemoryKeyStore;
  redis: RedisLink | undefined;
}

/** Histograms of the argon2 queue. */
export function verifierObserver(registry: Registry): VerifierObserver {
  const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
  const histogram = (name: string, help: string) =>
    new Histogram({ name, help, buckets, registers: [registry] });
  const wait = histogram('iam_argon2_wait_seconds', 'Time a secret waited for its turn to be compared.');
  const run = histogram('iam_argon2_run_seconds', 'Time argon2 took to compare a secret.');
  return (waitSeconds, runSeconds) => {
    wait.observe(waitSeconds);
    run.observe(runSeconds);
  };
}

/** Metrics of the caches, the change feed and the verifier; all read when they are scraped. */
export function registerRegionMetrics(registry: Registry, region: RegionDeps, now: () => number): void {
  const { feed, freshness, hashing, keys, redis } = region;
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

  gauge('iam_change_feed_age_seconds', 'Since the change feed was last known to be whole.', () => {
    return (now() - freshness.appliedUntilMs) / 1_000;
  });
  gauge('iam_change_feed_connected', '1 while the change feed has a connection.', () =>
    Number(feed.connected),
  );
  labelled(
    'iam_change_feed_events_total',
    'Changes applied, and connections lost.',
    'event',
    () => feed.counts,
  );
  gauge(
    'iam_replication_lag_seconds',
    'From a commit on the primary to its arrival, by the newest heartbeat.',
    () => {
      return feed.lag?.applySeconds;
    },
  );
  gauge('iam_heartbeat_age_seconds', 'Since the newest heartbeat was written on the primary.', () => {
    return feed.lag?.heartbeatAgeSeconds;
  });
  gauge('iam_cached_keys', 'Key records in memory.', () => keys.size);
  counter(
    'iam_cached_keys_evicted_total',
    'Key records pushed out of memory by others.',
    () => keys.evictions,
  );
  gauge('iam_argon2_running', 'Secrets being compared.', () => hashing.load.running);
  gauge('iam_argon2_waiting', 'Secrets waiting to be compared.', () => hashing.load.waiting);
  if (redis !== undefined) {
    gauge('iam_redis_breaker_state', '0 in use, 1 being tried, 2 left alone.', () => redis.breakerState);
    labelled('iam_redis_commands_total', 'Redis commands by result.', 'result', () => redis.counts);
  }
}
