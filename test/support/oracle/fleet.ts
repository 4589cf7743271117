import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from '../../../dev/ports.ts';
import {
  CONTROL_PLANE_LOGIN,
  type Login,
  REGIONAL_LOGIN,
  REPLICATOR_LOGIN,
  setLoginPassword,
} from '../../../src/database/logins.ts';
import { migrate } from '../../../src/database/migrate.ts';
import { subscribeRegion } from '../../../src/database/subscription.ts';
import { ready } from '../regional.ts';
import { createScratchDirectory } from '../servers/postgres.ts';
import { startTestRedis, type TestRedis } from '../servers/redis.ts';
import { type SavedPostgres, savedPostgres, startSavedPostgres } from '../servers/saved-postgres.ts';
import { CUT_STANDBYS_OFF, startFailoverStandby } from '../servers/standby.ts';
import { startTcpProxy, type TcpProxy } from '../servers/tcp-proxy.ts';
import { type ShiftedPod, startShiftedControlPlane, startShiftedPod } from '../shifted-pod.ts';

const PASSWORD = 'oracle-test-password';
const SUBSCRIPTION = 'oracle';

/** A service in a process of its own, which can be killed and started again on the same port. */
class RestartableService {
  readonly #start: () => Promise<ShiftedPod>;
  current: ShiftedPod;
  /** Whether clients may send requests to it, as a load balancer would know. */
  isOffered = true;

  private constructor(start: () => Promise<ShiftedPod>, first: ShiftedPod) {
    this.#start = start;
    this.current = first;
  }

  static async start(start: () => Promise<ShiftedPod>): Promise<RestartableService> {
    return new RestartableService(start, await start());
  }

  async restart(): Promise<void> {
    this.current = await this.#start();
  }
}

/** A pod and the network around it. */
export interface FleetPod {
  service: RestartableService;
  /** From the clients, to the replica, to Redis. */
  links: Record<'clients' | 'replica' | 'redis', TcpProxy>;
}

/** A primary, a region, Redis, a control plane and pods, with a proxy on every link between them. */
export interface Fleet {
  readonly pods: readonly FleetPod[];
  controlPlane: RestartableService;
  /** To the primary, from the control plane and from the region. */
  links: Record<'controlPlane' | 'region', TcpProxy>;
  redis: TestRedis;
  region: SavedPostgres;
  readonly primary: SavedPostgres;
  /**
   * Promotes a standby that lacks the transactions of the last moments, and makes it the primary.
   * @param cutOffMs how long before the promotion it is cut off
   * @param around runs the loss of the old primary and the promotion
   */
  promote(cutOffMs: number, around: (promote: () => Promise<void>) => Promise<void>): Promise<void>;
  /** Runs a statement as superuser. */
  onPrimary(sql: string, values?: unknown[]): Promise<pg.QueryResult>;
  onRegion(sql: string, values?: unknown[]): Promise<pg.QueryResult>;
  close(): Promise<void>;
}

export async function startFleet(podCount: number): Promise<Fleet> {
  const forwarding = { FORWARDING_SECRETS: randomBytes(24).toString('hex') };
  const [first, region, redis] = await Promise.all([
    startSavedPostgres('oracle-primary', PASSWORD),
    startSavedPostgres('oracle-region', PASSWORD),
    startTestRedis(),
  ]);
  let primary = first;
  await Promise.all([migrate(primary.url, 'primary'), migrate(region.url, 'region')]);
  for (const login of [CONTROL_PLANE_LOGIN, REPLICATOR_LOGIN])
    await setLoginPassword(primary.url, login, PASSWORD);
  await setLoginPassword(region.url, REGIONAL_LOGIN, PASSWORD);
  const proxyOf = (port: number) => startTcpProxy({ targetPort: port });
  const links = {
    controlPlane: await proxyOf(portOf(primary.url)),
    region: await proxyOf(portOf(primary.url)),
  };
  await subscribeRegion(region.url, as(REPLICATOR_LOGIN, primary.url, links.region), SUBSCRIPTION);

  const controlPlanePort = await freePort();
  const controlPlane = await RestartableService.start(() =>
    startShiftedControlPlane(0, as(CONTROL_PLANE_LOGIN, first.url, links.controlPlane), {
      ...forwarding,
      CONTROL_PLANE_PORT: String(controlPlanePort),
    }),
  );
  const settings = {
    ...forwarding,
    CACHE_KEYS: randomBytes(32).toString('base64'),
    CACHE_MAX_ENTRIES: '20000',
    MAX_STALENESS_MS: String(MAX_STALENESS_MS),
    CONTROL_PLANE_URL: `http://127.0.0.1:${controlPlanePort}`,
  };
  const pods = await Promise.all(
    Array.from({ length: podCount }, async (): Promise<FleetPod> => {
      const port = await freePort();
      const podLinks = {
        clients: await proxyOf(port),
        replica: await proxyOf(portOf(region.url)),
        redis: await proxyOf(portOf(redis.url)),
      };
      const service = await RestartableService.start(() =>
        startShiftedPod(0, as(REGIONAL_LOGIN, region.url, podLinks.replica), {
          ...settings,
          REGIONAL_PORT: String(port),
          REDIS_URL: `redis://127.0.0.1:${podLinks.redis.port}`,
        }),
      );
      return { service, links: podLinks };
    }),
  );
  await Promise.all(pods.map(({ service }) => ready(service.current)));

  const fleet: Fleet = {
    pods,
    controlPlane,
    links,
    redis,
    region,
    get primary() {
      return primary;
    },
    promote: async (cutOffMs, around) => {
      const lost = primary;
      const directory = await createScratchDirectory('oracle-standby');
      const name = `standby_${randomBytes(4).toString('hex')}`;
      const standby = savedPostgres(
        await startFailoverStandby(lost.running, join(directory, 'data'), { name }),
        directory,
      );
      await untilCaughtUp(lost.url, standby.url, name);
      await query(lost.url, CUT_STANDBYS_OFF);
      await sleep(cutOffMs);
      await around(async () => {
        await lost.kill();
        await query(standby.url, 'SELECT pg_promote()');
        primary = standby;
        for (const link of Object.values(links)) link.retarget(portOf(standby.url));
      });
      await lost.close();
    },
    onPrimary: (sql, values) => query(primary.url, sql, values),
    onRegion: (sql, values) => query(region.url, sql, values),
    close: async () => {
      await Promise.all([...pods.map(({ service }) => service.current.kill()), controlPlane.current.kill()]);
      await Promise.all([region.close(), primary.close(), redis.stop()]);
      const all = [...Object.values(links), ...pods.flatMap((pod) => Object.values(pod.links))];
      await Promise.all(all.map((proxy) => proxy.close()));
    },
  };
  return fleet;
}

/** Of the pods of a fleet; short, so that a run reaches it. */
export const MAX_STALENESS_MS = 15_000;

function portOf(url: string): number {
  return Number(new URL(url).port);
}

function as(login: Login, url: string, link: TcpProxy): string {
  return Object.assign(new URL(url), {
    username: login.name,
    password: PASSWORD,
    port: String(link.port),
  }).href;
}

/** One statement on a connection of its own, because servers come and go. */
async function query(url: string, sql: string, values: unknown[] = []): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return await client.query(sql, values);
  } finally {
    await client.end();
  }
}

/** Resolves when a standby streams, and has a usable copy of the region's slot. */
async function untilCaughtUp(primaryUrl: string, standbyUrl: string, name: string): Promise<void> {
  const isTrue = async (url: string, sql: string) => (await query(url, sql)).rowCount !== 0;
  const streams = `SELECT FROM pg_stat_replication WHERE application_name = '${name}' AND state = 'streaming'`;
  const hasSlot = `SELECT FROM pg_replication_slots WHERE slot_name = '${SUBSCRIPTION}' AND synced AND NOT temporary`;
  for (const endsAt = Date.now() + 60_000; ; await sleep(100)) {
    if ((await isTrue(primaryUrl, streams)) && (await isTrue(standbyUrl, hasSlot))) return;
    if (Date.now() > endsAt) throw new Error('The standby did not catch up.');
  }
}
