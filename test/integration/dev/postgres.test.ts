import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { Client } from 'pg';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { workingDirectoryOf } from '../../../dev/child-process.ts';
import { freePort } from '../../../dev/ports.ts';
import { stopLeftoverPostmaster } from '../../../dev/postgres/leftover.ts';
import { type PostgresOptions, type PostgresServer, startPostgres } from '../../../dev/postgres/server.ts';
import { createScratchDirectory } from '../../support/servers/postgres.ts';
import { runScript } from '../../support/servers/run-script.ts';
import { startTcpProxy } from '../../support/servers/tcp-proxy.ts';

const superuserPassword = "it's a/secret";
let scratch: string;
/** One cluster for the whole file, which each test starts: creating one takes ten times as long. */
let dataDirectory: string;

beforeAll(async () => {
  scratch = await createScratchDirectory('postgres-test');
  dataDirectory = join(scratch, 'data');
  return () => rm(scratch, { recursive: true, force: true });
});

async function start(options: Partial<PostgresOptions> = {}): Promise<PostgresServer> {
  const server = await startPostgres({
    dataDirectory,
    port: await freePort(),
    superuserPassword,
    settings: { shared_buffers: '16MB', fsync: 'off' },
    ...options,
  });
  onTestFinished(() => server.stop('immediate'));
  return server;
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

it('keeps rows across a restart', async () => {
  const fresh = { dataDirectory: join(scratch, 'fresh') };
  const first = await start(fresh);
  expect(first.isNew).toBe(true);
  await query(first.url(), 'CREATE TABLE kept AS SELECT 1 AS value');
  await first.stop();
  expect(await first.exited).toEqual({ code: 0, signal: null });
  expect(await workingDirectoryOf(first.pid)).toBeUndefined();

  const second = await start(fresh);
  expect(second.isNew).toBe(false);
  expect(await query(second.url(), 'SELECT value FROM kept')).toEqual([{ value: 1 }]);
});

it('uses UTF8 and byte order, listens on loopback only and opens no unix socket', async () => {
  const server = await start();
  const [row] = await query(
    server.url(),
    `SELECT current_setting('server_encoding') AS encoding, 'a' > 'B' AS bytewise, lower('Ä') AS lowered,
       current_setting('listen_addresses') AS addresses, current_setting('unix_socket_directories') AS sockets`,
  );
  expect(row).toEqual({
    encoding: 'UTF8',
    bytewise: true,
    lowered: 'ä',
    addresses: '127.0.0.1',
    sockets: '',
  });
});

it('refuses a connection without the password', async () => {
  const server = await start();
  await expect(query(server.url('postgres', 'postgres', 'wrong'), 'SELECT 1')).rejects.toMatchObject({
    code: '28P01',
  });
  await expect(query(server.url('postgres', 'postgres'), 'SELECT 1')).rejects.toThrow(/password/i);
});

it('fails with the log when Postgres refuses a setting', async () => {
  await expect(start({ settings: { wal_level: 'sometimes' } })).rejects.toThrow(
    /did not start[\s\S]*invalid value for parameter "wal_level"/,
  );
});

it('refuses a directory with other files and leaves it unchanged', async () => {
  const foreign = join(scratch, 'foreign');
  await mkdir(foreign);
  await writeFile(join(foreign, 'thesis.txt'), 'draft');
  await expect(start({ dataDirectory: foreign })).rejects.toThrow(
    'neither empty nor a Postgres data directory',
  );
  expect(await readFile(join(foreign, 'thesis.txt'), 'utf8')).toBe('draft');
});

it('logs no value of a failing statement or row', async () => {
  const lines: string[] = [];
  const server = await start({ onLog: (line) => lines.push(line) });
  await query(server.url(), "CREATE TABLE narrow (hash text CHECK (hash = ''))");
  await expect(query(server.url(), "INSERT INTO narrow VALUES ('hash-of-a-secret')")).rejects.toThrow(
    'narrow',
  );
  await expect(query(server.url(), "ALTER ROLE missing_role PASSWORD 'hash-of-a-secret'")).rejects.toThrow();
  await server.stop();
  expect(lines.join('\n')).toContain('violates check constraint');
  expect(lines.join('\n')).not.toContain('hash-of-a-secret');
});

it('stops the server that a killed supervisor left, and keeps its rows', async () => {
  const module = join(import.meta.dirname, '../../../dev/postgres/server.ts');
  const port = await freePort();
  const pid = Number(
    await runScript(`
      import { startPostgres } from '${module}';
      const server = await startPostgres({
        dataDirectory: '${dataDirectory}', port: ${port}, superuserPassword: "${superuserPassword}",
      });
      console.log(server.pid);
      process.kill(process.pid, 'SIGKILL');`),
  );
  expect(await workingDirectoryOf(pid)).toBe(dataDirectory);
  const abandoned = `postgres://postgres:${encodeURIComponent(superuserPassword)}@127.0.0.1:${port}/postgres`;
  await query(abandoned, 'CREATE TABLE kept AS SELECT 1 AS value');

  const server = await start({ port });
  expect(await workingDirectoryOf(pid)).toBeUndefined();
  expect(await query(server.url(), 'SELECT value FROM kept')).toEqual([{ value: 1 }]);
});

it('starts after a SIGKILL of the postmaster', async () => {
  const first = await start();
  process.kill(first.pid, 'SIGKILL');
  expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' });
  await start();
});

it('never signals another process that has reused the pid of the pid file', async () => {
  const server = await start();
  const genuine = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8');
  await server.stop();
  // The pid of this process, as if it had been reused: a signal would end the test run.
  await writeFile(join(dataDirectory, 'postmaster.pid'), genuine.replace(/^\d+/, String(process.pid)));
  expect(await stopLeftoverPostmaster(dataDirectory)).toBeUndefined();
  await start();
});

it('stops within its bound while a client is behind a dead network', async () => {
  const server = await start();
  const proxy = await startTcpProxy({ targetPort: server.port });
  onTestFinished(() => proxy.close());
  const url = server.url().replace(`:${server.port}/`, `:${proxy.port}/`);
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  proxy.blackhole();
  const begun = performance.now();
  await server.stop();
  expect(performance.now() - begun).toBeLessThan(10_000);
  const refused = createConnection(server.port, '127.0.0.1');
  await expect(new Promise((_, reject) => refused.once('error', reject))).rejects.toThrow('ECONNREFUSED');
});
