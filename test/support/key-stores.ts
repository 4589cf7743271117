import pino from 'pino';
import { MemoryKeyStore } from '../../src/keys/cache/memory-key-store.ts';
import { Revalidation } from '../../src/keys/cache/revalidation.ts';
import type { Change } from '../../src/keys/change-feed/change.ts';
import { ChangeFeed } from '../../src/keys/change-feed/change-feed.ts';
import { ClockCheck } from '../../src/keys/change-feed/clock-check.ts';
import { Freshness } from '../../src/keys/change-feed/freshness.ts';
import { ListenSource } from '../../src/keys/change-feed/listen-source.ts';
import { LoginWatch } from '../../src/keys/change-feed/login-sessions.ts';
import { RecentChanges } from '../../src/keys/change-feed/recent-changes.ts';
import { ReplicaTrust } from '../../src/keys/change-feed/replica-trust.ts';
import { ReplicationWatch } from '../../src/keys/change-feed/replication-watch.ts';
import type { KeyStore } from '../../src/keys/key-store.ts';
import { PostgresKeyStore } from '../../src/keys/postgres-key-store.ts';
import { Replica } from '../../src/keys/replica.ts';
import type { TestDatabases } from './databases.ts';

/** The key stores of a pod over a real replica, without HTTP, so that a test can intercept calls between them. */
export interface KeyStores {
  postgres: PostgresKeyStore;
  memory: MemoryKeyStore;
  changes: RecentChanges;
  freshness: Freshness;
  feed: ChangeFeed;
  /** Changes that the feed has applied to the caches, in order. */
  applied: readonly Change[];
  stop(): Promise<void>;
}

/**
 * Builds the stores and resolves when the change feed has caught up.
 * @param between wraps the Postgres store that the memory cache reads
 * @param Changes replaces the real class of the fence
 */
export async function startKeyStores(
  databases: TestDatabases,
  between: (postgres: KeyStore) => KeyStore = (postgres) => postgres,
  Changes: typeof RecentChanges = RecentChanges,
): Promise<KeyStores> {
  const now = Date.now;
  const logger = pino({ level: 'silent' });
  const freshness = new Freshness(now, { revalidateAfterMs: 2_000, maxStalenessMs: 900_000 });
  const changes = new Changes(now, { ttlMs: 1_200_000, maxEntries: 10_000 });
  const postgres = new PostgresKeyStore(
    new Replica(databases.region, { connections: 4, waiting: 100, waitMs: 1_000 }),
    now,
  );
  const memory = new MemoryKeyStore({
    inner: between(postgres),
    freshness,
    changes,
    revalidation: new Revalidation(postgres, freshness, now),
    now,
    maxEntries: 10_000,
  });
  const applied: Change[] = [];
  const feed = new ChangeFeed({
    source: new ListenSource(databases.replicaUrl, { connectTimeoutMs: 1_000, queryTimeoutMs: 1_000 }, now),
    freshness,
    changes,
    clock: new ClockCheck({ now, monotonicNow: () => performance.now(), logger, toleranceMs: 5_000 }),
    listeners: [memory, { apply: (change) => void applied.push(change) }],
    replication: new ReplicationWatch({ maxAgeMs: undefined, logger }),
    trust: new ReplicaTrust({ shared: undefined, logger }),
    login: new LoginWatch(logger),
    logger,
    now,
    checkIntervalMs: 200,
    windowMs: 1_200_000,
    windowLimit: 10_000,
    connectTimeoutMs: 1_000,
    slowAfterMs: 1_000,
  });
  feed.start();
  while (!feed.caughtUp) await new Promise((resolve) => setTimeout(resolve, 5));
  return { postgres, memory, changes, freshness, feed, applied, stop: () => feed.stop() };
}
