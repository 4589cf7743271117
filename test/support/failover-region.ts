import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from '../../dev/ports.ts';
import {
  CONTROL_PLANE_LOGIN,
  type Login,
  REGIONAL_LOGIN,
  REPLICATOR_LOGIN,
  setLoginPassword,
} from '../../src/database/logins.ts';
import { migrate } from '../../src/database/migrate.ts';
import { subscribeRegion } from '../../src/database/subscription.ts';
import { killMachine } from './servers/kill-machine.ts';
import { createScratchDirectory, startTestPostgres } from './servers/postgres.ts';
import { CUT_STANDBYS_OFF, type ServerWithAccess, startFailoverStandby } from './servers/standby.ts';
import { startTcpProxy, type TcpProxy } from './servers/tcp-proxy.ts';

/** A primary with a standby that may take over, and a region that follows whichever of them accepts writes. */
export interface FailoverRegion {
  /** Superuser pool on the server that is the primary now. */
  readonly primary: pg.Pool;
  readonly primaryServer: ServerWithAccess;
  readonly standbyServer: ServerWithAccess;
  /** Superuser pool. */
  region: pg.Pool;
  replicaUrl: string;
  /** URL of the control plane, whose address moves to the promoted server. */
  controlPlaneUrl: string;
  /** Sets parameters on the primary with ALTER SYSTEM; an empty value resets. */
  configure(settings: Readonly<Record<string, string>>): Promise<void>;
  /** Resolves when the standby would lose nothing: it streams, and has a usable copy of the region's slot. */
  standbyReady(): Promise<void>;
  /** Cuts the standby off from the primary: it does not get what commits from now on. */
  disconnectStandby(): Promise<void>;
  /** Kills the machine of the primary. */
  killPrimary(): void;
  /** Promotes the standby. */
  promote(): Promise<void>;
  /** Builds a standby of the promoted server on the address of the lost one. */
  rebuildStandby(): Promise<void>;
  close(): Promise<void>;
}

const PASSWORD = 'failover-test-password';

/** Name of the subscription and of its slot. */
export const REGION_SLOT = 'region_test';

const HOSTS = ['alpha', 'beta'] as const;

/** Both servers and the region use the database `postgres`. The region connects again as often as by default. */
export async function startFailoverRegion(): Promise<FailoverRegion> {
  const directory = await createScratchDirectory('failover');
  const ports = [await freePort(), await freePort()] as const;
  let builds = 0;
  const [first, regionServer] = await Promise.all([
    startTestPostgres(join(directory, 'first'), {}, { port: ports[0] }),
    startTestPostgres(join(directory, 'region'), { wal_retrieve_retry_interval: '5s' }),
  ]);
  const regionUrl = regionServer.access.url;
  await migrate(regionUrl, 'region');
  await migrate(first.access.url, 'primary');
  await setLoginPassword(regionUrl, REGIONAL_LOGIN, PASSWORD);
  for (const login of [CONTROL_PLANE_LOGIN, REPLICATOR_LOGIN])
    await setLoginPassword(first.access.url, login, PASSWORD);
  const buildStandby = (of: ServerWithAccess, name: (typeof HOSTS)[number], port: number) => {
    builds += 1;
    return startFailoverStandby(of, join(directory, `standby${builds}`), { name, port });
  };
  const running = {
    primary: first as ServerWithAccess,
    standby: await buildStandby(first, 'beta', ports[1]),
  };
  const proxy = await startTcpProxy({ targetPort: ports[0] });
  await subscribeRegion(
    regionUrl,
    `host=127.0.0.1,127.0.0.1 port=${ports.join(',')} dbname=postgres user=${REPLICATOR_LOGIN.name} password=${PASSWORD}`,
    REGION_SLOT,
  );
  const region = poolOf(regionUrl);
  let primary = poolOf(first.access.url);

  return {
    get primary() {
      return primary;
    },
    get primaryServer() {
      return running.primary;
    },
    get standbyServer() {
      return running.standby;
    },
    region,
    replicaUrl: as(REGIONAL_LOGIN, regionUrl),
    controlPlaneUrl: throughProxy(as(CONTROL_PLANE_LOGIN, first.access.url), proxy),
    configure: async (settings) => {
      for (const [name, value] of Object.entries(settings))
        await primary.query(`ALTER SYSTEM SET ${name} = ${pg.escapeLiteral(value)}`);
      await primary.query('SELECT pg_reload_conf()');
    },
    standbyReady: async () => {
      const standby = poolOf(running.standby.access.url);
      try {
        await until(
          standby,
          `SELECT FROM pg_replication_slots WHERE slot_name = '${REGION_SLOT}' AND synced AND NOT temporary
             AND invalidation_reason IS NULL`,
        );
        await until(
          primary,
          `SELECT FROM pg_stat_replication WHERE state = 'streaming' AND application_name IN ('alpha', 'beta')
             AND sync_state = CASE WHEN current_setting('synchronous_standby_names') = '' THEN 'async' ELSE 'sync' END`,
        );
      } finally {
        await standby.end();
      }
    },
    disconnectStandby: async () => void (await primary.query(CUT_STANDBYS_OFF)),
    killPrimary: () => killMachine(running.primary.server),
    promote: async () => {
      await primary.end();
      primary = poolOf(running.standby.access.url);
      await primary.query('SELECT pg_promote()');
      proxy.retarget(running.standby.server.port);
      [running.primary, running.standby] = [running.standby, running.primary];
    },
    rebuildStandby: async () => {
      const lost = running.standby.server;
      await lost.exited;
      await rm(lost.dataDirectory, { recursive: true, force: true });
      const name = HOSTS[ports.indexOf(lost.port)] as (typeof HOSTS)[number];
      running.standby = await buildStandby(running.primary, name, lost.port);
    },
    close: async () => {
      // Servers first: a commit that waits for a standby would keep its pool open.
      for (const { server } of [regionServer, running.standby, running.primary])
        await server.stop('immediate');
      await Promise.all([primary.end(), region.end()]);
      await proxy.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Servers stop on purpose, so errors of idle connections are expected. */
function poolOf(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  pool.on('error', () => {});
  pool.on('connect', (client) => void client.on('error', () => {}));
  return pool;
}

async function until(pool: pg.Pool, sql: string): Promise<void> {
  for (const endsAt = Date.now() + 40_000; (await pool.query(sql)).rowCount === 0; ) {
    if (Date.now() > endsAt) throw new Error(`It never became true: ${sql}`);
    await sleep(50);
  }
}

function as(login: Login, superuserUrl: string): string {
  return Object.assign(new URL(superuserUrl), { username: login.name, password: PASSWORD }).href;
}

function throughProxy(url: string, proxy: TcpProxy): string {
  return Object.assign(new URL(url), { port: String(proxy.port) }).href;
}
