import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import { createPool } from '../../../src/database/pool.ts';
import { OverloadedError, StoreUnavailableError } from '../../../src/keys/key-store.ts';
import { Replica } from '../../../src/keys/replica.ts';
import { startTcpProxy, type TcpProxy } from '../../support/servers/tcp-proxy.ts';

/** Statements wait for this lock while the test holds it. */
const LOCK = 4711;
const HELD_UP = { text: `SELECT 'done' AS state FROM pg_advisory_xact_lock_shared(${LOCK})` };
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
  return (statement = HELD_UP) => replica.query(statement).catch((error: unknown) => error);
}

it('statements beyond the connections wait, and all are answered', async () => {
  const ask = replicaOf({ waiting: 10, waitMs: 10_000 });
  const answers = Array.from({ length: 10 }, () => ask());
  expect(pool.waitingCount).toBe(0); // where a wait would look like a Postgres that is gone
  await release();
  expect(await Promise.all(answers)).toEqual(Array.from({ length: 10 }, () => DONE));
});

it('too many that wait, or a wait that is too long, is an overload and no sign that Postgres is gone', async () => {
  const ask = replicaOf({ waiting: 5, waitMs: 50 });
  const running = [ask(), ask()];
  const others = await Promise.all(Array.from({ length: 10 }, () => ask()));
  for (const answer of others) expect(answer).toBeInstanceOf(OverloadedError);
  await release();
  expect(await Promise.all(running)).toEqual([DONE, DONE]);
  expect(await ask()).toEqual(DONE);
});

it('when Postgres is gone whoever waits and whoever comes is told at once, and it is found to be back without them', async () => {
  const ask = replicaOf({ waiting: 20, waitMs: 10_000 });
  const answers = Array.from({ length: 10 }, () => ask());
  await expect.poll(() => pool.totalCount).toBe(2);
  await proxy.cut();
  for (const answer of await Promise.all(answers)) expect(answer).toBeInstanceOf(StoreUnavailableError);

  proxy.blackhole();
  const begun = performance.now();
  for (let index = 0; index < 50; index += 1) expect(await ask()).toBeInstanceOf(StoreUnavailableError);
  expect(performance.now() - begun).toBeLessThan(300);

  await release();
  await proxy.restore();
  await expect.poll(() => ask(), { timeout: 3_000 }).toEqual(DONE);
});
