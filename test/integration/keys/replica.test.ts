import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { createPool } from '../../../src/database/pool.ts';
import { StoreOverloadedError, StoreUnavailableError } from '../../../src/keys/key-store.ts';
import { Replica } from '../../../src/keys/replica.ts';
import { startTcpProxy, type TcpProxy } from '../../support/servers/tcp-proxy.ts';

/** The statements of the tests wait while the test holds this lock. */
const LOCK = 4711;
const BLOCKED_STATEMENT = { text: `SELECT 'done' AS state FROM pg_advisory_xact_lock_shared(${LOCK})` };
const DONE = [{ state: 'done' }];

let holder: pg.Client;
let proxy: TcpProxy;
let pool: pg.Pool;

beforeAll(async () => {
  const { url, port } = inject('postgres').region;
  holder = new pg.Client({ connectionString: url });
  await holder.connect();
  proxy = await startTcpProxy({ targetPort: port });
  const proxied = new URL(url);
  proxied.port = String(proxy.port);
  pool = createPool(proxied.href, {
    applicationName: 'test',
    size: 2,
    connectTimeoutMs: 500,
    queryTimeoutMs: 30_000,
    onIdleError: () => {},
  });
});
beforeEach(() => holder.query(`SELECT pg_advisory_lock(${LOCK})`));
afterEach(async () => {
  await holder.query('SELECT pg_advisory_unlock_all()');
  await proxy.restore();
});
afterAll(async () => {
  await pool?.end();
  await proxy?.close();
  await holder?.end();
});

const release = () => holder.query('SELECT pg_advisory_unlock_all()');

function replicaOf(limits: { waiting: number; waitMs: number }) {
  const replica = new Replica(pool, { connections: 2, ...limits });
  return (statement = BLOCKED_STATEMENT) => replica.query(statement).catch((error: unknown) => error);
}

describe('Replica', () => {
  it('queues statements beyond the connections, and runs all', async () => {
    const run = replicaOf({ waiting: 10, waitMs: 10_000 });
    const results = Array.from({ length: 10 }, () => run());
    expect(pool.waitingCount).toBe(0); // a timeout of the pool would look like an unavailable Postgres
    await release();
    expect(await Promise.all(results)).toEqual(Array.from({ length: 10 }, () => DONE));
  });

  it('sheds when too many statements wait or one waits too long, and does not open the breaker', async () => {
    const run = replicaOf({ waiting: 5, waitMs: 50 });
    const running = [run(), run()];
    const others = await Promise.all(Array.from({ length: 10 }, () => run()));
    for (const result of others) expect(result).toBeInstanceOf(StoreOverloadedError);
    await release();
    expect(await Promise.all(running)).toEqual([DONE, DONE]);
    expect(await run()).toEqual(DONE);
  });

  it('fails waiting and new statements fast while Postgres is unavailable, and detects its recovery with a probe', async () => {
    const run = replicaOf({ waiting: 20, waitMs: 10_000 });
    const results = Array.from({ length: 10 }, () => run());
    await expect.poll(() => pool.totalCount).toBe(2);
    await proxy.cut();
    for (const result of await Promise.all(results)) expect(result).toBeInstanceOf(StoreUnavailableError);

    proxy.blackhole();
    const startedAtMs = performance.now();
    for (let index = 0; index < 50; index += 1) expect(await run()).toBeInstanceOf(StoreUnavailableError);
    expect(performance.now() - startedAtMs).toBeLessThan(300);

    await release();
    await proxy.restore();
    await expect.poll(() => run(), { timeout: 3_000 }).toEqual(DONE);
  });

  it('does not take a slow statement for silence of Postgres', async () => {
    const impatient = createPool(inject('postgres').region.url, {
      applicationName: 'test',
      size: 2,
      connectTimeoutMs: 5_000,
      queryTimeoutMs: 50,
      onIdleError: () => {},
    });
    const replica = new Replica(impatient, { connections: 2, waiting: 10, waitMs: 5_000 });
    try {
      for (let nth = 0; nth < 5; nth += 1)
        await expect(replica.query(BLOCKED_STATEMENT, 'may be slow')).rejects.toThrow(StoreUnavailableError);
      expect(replica.isAvailable).toBe(true);
      for (let nth = 0; nth < 5; nth += 1)
        await expect(replica.query(BLOCKED_STATEMENT)).rejects.toThrow(StoreUnavailableError);
      expect(replica.isAvailable).toBe(false);
    } finally {
      await impatient.end();
    }
  });

  it('finds out that Postgres is silent before a caller waits for it', async () => {
    const impatient = createPool(String((pool.options as { connectionString?: string }).connectionString), {
      applicationName: 'test',
      size: 2,
      connectTimeoutMs: 300,
      queryTimeoutMs: 300,
      onIdleError: () => {},
    });
    const replica = new Replica(impatient, { connections: 2, waiting: 10, waitMs: 5_000 });
    try {
      await replica.open();
      await release();
      expect(await replica.query(BLOCKED_STATEMENT)).toEqual(DONE);
      proxy.blackhole();
      replica.suspect();
      await expect.poll(() => replica.isAvailable, { timeout: 5_000 }).toBe(false);
      const begun = performance.now();
      await expect(replica.query(BLOCKED_STATEMENT)).rejects.toThrow(StoreUnavailableError);
      expect(performance.now() - begun).toBeLessThan(100);
      await proxy.restore();
      await expect.poll(() => replica.isAvailable, { timeout: 5_000 }).toBe(true);
      replica.suspect();
      expect(await replica.query(BLOCKED_STATEMENT)).toEqual(DONE);
    } finally {
      await impatient.end();
    }
  });
});
