import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { iam } from '../../support/iam.ts';
import { startTestRedis, type TestRedis } from '../../support/servers/redis.ts';

const main = fileURLToPath(new URL('../../../src/main.js', import.meta.url));

let databases: TestDatabases;
let redis: TestRedis;
beforeAll(async () => {
  [databases, redis] = await Promise.all([createDatabases(), startTestRedis()]);
});
afterAll(async () => {
  await asAdmin('ACL', 'DELUSER', 'limited');
  await redis?.stop();
  await databases?.close();
});

async function asAdmin(command: string, ...args: string[]): Promise<void> {
  const admin = new Redis(redis.url);
  await admin.call(command, ...args);
  admin.disconnect();
}

/** Runs `iam regional` until a line of its output contains each text, and returns all lines. */
async function linesUntil(settings: Record<string, string>, ...texts: string[]): Promise<string[]> {
  const child = spawn(process.execPath, [main, 'regional'], {
    env: {
      PATH: process.env.PATH,
      REPLICA_DATABASE_URL: databases.replicaUrl,
      REGIONAL_PORT: '0',
      MANAGEMENT_PORT: '0',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const complete = new Promise<void>((resolve) => {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on('line', (line) => {
        lines.push(line);
        if (texts.every((text) => lines.some((one) => one.includes(text)))) resolve();
      });
    }
  });
  const ended = once(child, 'close');
  await Promise.race([complete, ended]);
  child.kill();
  await ended;
  return lines;
}

const notJson = (lines: readonly string[]) =>
  lines.filter((line) => {
    try {
      return typeof JSON.parse(line) !== 'object';
    } catch {
      return true;
    }
  });

const CACHE_KEYS = Buffer.alloc(32, 'test').toString('base64');

it.each<[string, (url: URL) => unknown, string]>([
  [
    'refuses INFO to its user',
    async (url) => {
      await asAdmin('ACL', 'SETUSER', 'limited', 'reset', 'on', '>pass', '+@all', '-info', '~*');
      url.username = 'limited';
      url.password = 'pass';
    },
    'INFO command fails',
  ],
  ['refuses the password', (url) => Object.assign(url, { username: 'nobody', password: 'x' }), 'WRONGPASS'],
  ['cannot be reached', (url) => Object.assign(url, { port: '1' }), 'ECONNREFUSED'],
])('writes only JSON while Redis %s', async (_name, arrange, expected) => {
  const url = new URL(redis.url);
  await arrange(url);
  const lines = await linesUntil({ REDIS_URL: url.href, CACHE_KEYS }, expected, 'listening on');
  expect(notJson(lines)).toEqual([]);
  expect(lines.join('\n')).toContain(expected);
  if (url.password.length > 1) expect(lines.join('\n')).not.toContain(url.password);
});

it('warns about a misspelt setting with a suggestion, and not about other variables', async () => {
  const lines = await linesUntil(
    {
      REDIS_URI: 'redis://127.0.0.1:1',
      ARGON2_CONCURENCY: '4',
      HOME: '/root',
      KUBERNETES_PORT: 'tcp://10.0.0.1:443',
      REDIS_PORT: 'tcp://10.0.0.2:6379',
      IAM_REGIONAL_PASSWORD: 'for iam migrate',
      MIGRATE_DATABASE_URL: 'postgres://for-iam-migrate',
      SSL_CERT_FILE: '/etc/ssl/cert.pem',
    },
    'listening on',
  );
  const warnings = lines.map((line) => JSON.parse(line)).filter((line) => line['log.level'] === 'warn');
  expect(warnings.map(({ message }) => message)).toEqual([
    'REDIS_URI is not a setting and has no effect; did you mean REDIS_URL?',
    'ARGON2_CONCURENCY is not a setting and has no effect; did you mean ARGON2_CONCURRENCY?',
  ]);
});

it('a command warns of a misspelt password variable, which would otherwise leave a login without a password', async () => {
  const { stderr } = await iam(['migrate', 'primary'], {
    MIGRATE_DATABASE_URL: 'postgres://postgres@127.0.0.1:1/iam',
    IAM_CONTROL_PLAN_PASSWORD: 'x',
  });
  expect(stderr.split('\n')[0]).toBe(
    'warning: IAM_CONTROL_PLAN_PASSWORD is not a setting and has no effect; did you mean IAM_CONTROL_PLANE_PASSWORD?',
  );
});

it('the error of a missing setting points at a misspelt one', async () => {
  const { exitCode, stderr } = await iam(['regional'], { REPLICA_DATABSE_URL: 'postgres://x' });
  expect([exitCode, stderr]).toEqual([
    2,
    expect.stringContaining('REPLICA_DATABSE_URL is set; is it misspelt?'),
  ]);
});
