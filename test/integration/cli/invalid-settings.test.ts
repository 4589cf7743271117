import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CertificateAuthority } from '../../support/certificates.ts';
import { iam } from '../../support/iam.ts';

let folder: string;
let authority: CertificateAuthority;
let cert: string;
let key: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'iam-invalid-'));
  authority = await CertificateAuthority.create();
  ({ cert, key } = (await authority.issue('localhost')).files);
  await writeFile(join(folder, 'text.pem'), 'no certificate');
});
afterAll(async () => {
  await authority?.remove();
  await rm(folder, { recursive: true });
});

const settings = {
  REPLICA_DATABASE_URL: 'postgres://127.0.0.1:1/iam',
  PRIMARY_DATABASE_URL: 'postgres://127.0.0.1:1/iam',
  REGIONAL_PORT: '0',
  CONTROL_PLANE_PORT: '0',
  MANAGEMENT_PORT: '0',
};

/** The message of the error, in the log or on standard error. */
async function refusal(command: string, more: Record<string, string>): Promise<[number, string]> {
  const { exitCode, stdout, stderr } = await iam([command], { ...settings, ...more });
  const fatal = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .find((line) => line['log.level'] === 'fatal');
  return [exitCode, fatal?.error.message ?? stderr];
}

it.each([
  ['TLS_CERT_FILE', () => ({ TLS_CERT_FILE: folder, TLS_KEY_FILE: key }), 'EISDIR'],
  [
    'TLS_CERT_FILE',
    () => ({ TLS_CERT_FILE: join(folder, 'text.pem'), TLS_KEY_FILE: key }),
    'no PEM certificate',
  ],
  ['TLS_KEY_FILE', () => ({ TLS_CERT_FILE: cert, TLS_KEY_FILE: join(folder, 'none') }), 'ENOENT'],
  ['TLS_KEY_FILE', () => ({ TLS_CERT_FILE: cert, TLS_KEY_FILE: cert }), 'not the PEM private key'],
  [
    'TLS_CLIENT_CA_FILE',
    () => ({
      TLS_CERT_FILE: cert,
      TLS_KEY_FILE: key,
      TLS_CLIENT_CA_FILE: join(folder, 'text.pem'),
      CLIENT_CERTIFICATE_NAMES: 'a',
    }),
    'no PEM certificate',
  ],
  [
    'TLS_CLIENT_CRL_FILE',
    () => ({
      TLS_CERT_FILE: cert,
      TLS_KEY_FILE: key,
      TLS_CLIENT_CA_FILE: authority.certFile,
      CLIENT_CERTIFICATE_NAMES: 'a',
      TLS_CLIENT_CRL_FILE: join(folder, 'text.pem'),
    }),
    'no PEM revocation list',
  ],
  [
    'REDIS_CA_FILE',
    () => ({
      REDIS_URL: 'rediss://127.0.0.1:1',
      CACHE_KEYS: Buffer.alloc(32).toString('base64'),
      REDIS_CA_FILE: join(folder, 'none'),
    }),
    'ENOENT',
  ],
] as const)('%s is named by the error, with exit code 2', async (name, more, problem) => {
  const [exitCode, message] = await refusal('regional', more());
  expect([exitCode, message]).toEqual([2, expect.stringContaining(problem)]);
  expect(message).toMatch(new RegExp(`^${name}: `));
});

it.each([
  ['TRUSTED_PROXIES', '10.0.0.0/8,proxy.example'],
  ['TRUSTED_PROXIES', '10.0.0.0/33'],
  ['CONVERT_ALLOWED_HOSTS', 'https://other.example'],
])('%s=%s is named by the error, with exit code 2', async (name, value) => {
  const [exitCode, message] = await refusal('control-plane', { [name]: value });
  expect([exitCode, message]).toEqual([2, expect.stringContaining(`${name}: `)]);
  expect(message).not.toContain(value);
});

it('a used port is named by its setting, with exit code 1', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  try {
    for (const name of ['REGIONAL_PORT', 'MANAGEMENT_PORT']) {
      const [exitCode, message] = await refusal('regional', { [name]: String(port) });
      expect([exitCode, message]).toEqual([
        1,
        expect.stringContaining(`${name}: another process uses this port (127.0.0.1:${port})`),
      ]);
    }
  } finally {
    other.close();
  }
});

it.each([
  ['regional', 'REPLICA_DATABASE_URL', 'postgres://u:4711/w0rd@h/iam', '%40'],
  ['regional', 'CHANGE_FEED_DATABASE_URL', 'postgres://u:4711#w0rd@h/iam', '%40'],
  ['regional', 'REDIS_URL', 'redis://:4711/w0rd@h', '%40'],
  ['regional', 'CONTROL_PLANE_URL', 'https://u:4711?w0rd@h', '%40'],
  ['control-plane', 'PRIMARY_DATABASE_URL', 'postgres://u:s3cr3t/w0rd@h/iam', '%40'],
  ['control-plane', 'PRIMARY_DATABASE_URL', 'postgres://u:s3cr3t@h:99999/iam', '1 to 65535'],
  ['regional', 'REDIS_URL', 'redis://:s3cr3t@h:0', '1 to 65535'],
])('%s names %s=%s without a part of it, and says what to do', async (command, name, value, advice) => {
  const { stdout, stderr } = await iam([command], { ...settings, [name]: value });
  expect(stdout + stderr).toContain(`${name}: `);
  expect(stdout + stderr).toContain(advice);
  expect(stdout + stderr).not.toMatch(/s3cr3t|w0rd|4711/);
});

const UNREACHABLE = 'postgres://127.0.0.1:1/iam';
it.each([
  [['region', 'list'], 'postgres://u:s3cr3t@w0rd@h/iam'],
  [['region', 'list'], 'postgres://u:4711/w0rd@h/iam'],
  [['region', 'list'], 'postgres://u:4711?w0rd@h/iam'],
  [['region', 'add', '--database-url', UNREACHABLE], 'postgres://u:s3cr3t@w0rd@h/iam'],
  [['region', 'status', '--database-url', UNREACHABLE], 'postgres://u:s3cr3t@w0rd@h/iam'],
  [['region', 'resync', '--database-url', UNREACHABLE], 'postgres://u:s3cr3t@w0rd@h/iam'],
  [['region', 'remove', '--region-gone', '--yes', '--name', 'r'], 'postgres://u:s3cr3t@w0rd@h/iam'],
  [['migrate', 'region', '--database-url', UNREACHABLE], 'postgres://u:s3cr3t@w0rd@h/iam'],
])('iam %j refuses the primary %s, says what to do, and shows no part of it', async (args, primary) => {
  const { exitCode, stdout, stderr } = await iam(args, { SUBSCRIBE_TO: primary });
  expect([exitCode, stdout, stderr]).toEqual([2, '', expect.stringContaining('@ is %40')]);
  expect(stderr).not.toMatch(/s3cr3t|w0rd|4711/);
});

it.each(['postgres://u:4711/w0rd@h/iam', 'host=h password=s3cr3t'])(
  'iam migrate and iam region refuse the database URL %s and show no part of it',
  async (url) => {
    for (const args of [
      ['migrate', 'primary'],
      ['region', 'status'],
    ]) {
      const { exitCode, stderr } = await iam(args, { MIGRATE_DATABASE_URL: url });
      expect([exitCode, stderr]).toEqual([2, expect.stringContaining('--database-url')]);
      expect(stderr).not.toMatch(/s3cr3t|w0rd|4711/);
    }
  },
);

it('iam refuses a port that no server can have', async () => {
  const { exitCode, stderr } = await iam(
    ['region', 'list', '--primary', 'postgres://u:s3cr3t@h:99999/iam'],
    {},
  );
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining('from 1 to 65535')]);
});

it.each([
  ['migrate', 'primary'],
  ['region', 'list', '--primary', 'host=db.invalid password=s3cr3t'],
  ['roles', 'load', '--predefined', 'src/roles/predefined/roles.json'],
  ['keys', 'list'],
  ['bootstrap'],
  ['audit'],
])(
  'iam %s %s refuses a database on another host that it cannot verify, unless it is allowed',
  async (...args) => {
    const url = 'postgres://u:s3cr3t@db.invalid/iam';
    const settings = { MIGRATE_DATABASE_URL: url, PRIMARY_DATABASE_URL: url };
    const refused = await iam(args, settings);
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('sslmode=verify-full')]);
    expect(refused.stdout + refused.stderr).not.toMatch(/s3cr3t|db\.invalid/);
    const allowed = await iam(args, { ...settings, ALLOW_UNVERIFIED_DATABASE: 'true' });
    expect(allowed.stderr).not.toContain('verify-full');
    expect(allowed.exitCode).not.toBe(0);
  },
);

it.each([
  ['control-plane', 'PRIMARY_DATABASE_URL', {}],
  ['regional', 'REPLICA_DATABASE_URL', {}],
  [
    'regional',
    'CHANGE_FEED_DATABASE_URL',
    { REPLICA_DATABASE_URL: 'postgres://u:s3cr3t@db.invalid/iam?sslmode=verify-full' },
  ],
])('iam %s refuses a %s on another host that it cannot verify', async (service, setting, others) => {
  const [exitCode, message] = await refusal(service, {
    ...others,
    [setting]: 'postgres://u:s3cr3t@db.invalid/iam',
  });
  expect([exitCode, message]).toEqual([2, expect.stringContaining(`${setting} leads to another`)]);
  expect(message).not.toMatch(/s3cr3t|db\.invalid/);
});
