import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { createLogger } from '../../../src/http/logger.ts';
import { SecretReload } from '../../../src/keys/secret-reload.ts';

const KEY = Buffer.alloc(32, 1).toString('base64');
const NEXT_KEY = Buffer.alloc(32, 2).toString('base64');

let folder: string;
const file = (name: string) => join(folder, name);
const write = (name: string, text: string) => writeFileSync(file(name), `${text}\n`);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'iam-reload-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

let reload: SecretReload;
let lines: string[];
let used: string[][];
beforeEach(() => {
  write('secrets', 'first-client-secret');
  write('cache-keys', KEY);
  const environment = {
    CLIENT_AUTHENTICATION_SECRETS_FILE: file('secrets'),
    CACHE_KEYS_FILE: file('cache-keys'),
    FORWARDING_SECRETS: 'a-forwarding-secret',
  };
  lines = [];
  used = [];
  reload = new SecretReload({
    current: loadConfig(environment),
    environment,
    intervalMs: 1,
    logger: createLogger({ level: 'debug', serviceName: 'test' }, { write: (line) => void lines.push(line) }),
    onChange: ({ CLIENT_AUTHENTICATION_SECRETS, FORWARDING_SECRETS }) =>
      used.push([...CLIENT_AUTHENTICATION_SECRETS, ...FORWARDING_SECRETS]),
  });
  reload.start();
});
afterEach(() => reload.stop());

const logged = (text: string) => lines.filter((line) => line.includes(text)).length;
const isUsed = (secret: string) =>
  vi.waitFor(() => expect(used.at(-1)).toEqual([secret, 'a-forwarding-secret']), { interval: 1 });

it('uses changed secrets, and keeps those that are in no file', async () => {
  write('secrets', 'second-client-secret');
  await isUsed('second-client-secret');
});

it('rotates shared secrets although the file of another secret is gone or invalid', async () => {
  rmSync(file('cache-keys'));
  write('secrets', 'second-client-secret');
  await isUsed('second-client-secret');
  write('cache-keys', 'no key');
  write('secrets', 'third-client-secret');
  await isUsed('third-client-secret');
  expect(logged('is invalid')).toBe(0);
});

it('warns once of each change of a file that is read only at the start, without its content', async () => {
  for (const [key, warnings] of [
    [NEXT_KEY, 1],
    [KEY, 2],
  ] as const) {
    write('cache-keys', key);
    await vi.waitFor(() => expect(logged('CACHE_KEYS_FILE changed; restart')).toBe(warnings), {
      interval: 1,
    });
    write('secrets', `client-secret-number-${warnings}`);
    await isUsed(`client-secret-number-${warnings}`);
    expect(logged('CACHE_KEYS_FILE changed; restart')).toBe(warnings);
  }
  expect(lines.join('')).not.toMatch(new RegExp(`${KEY}|${NEXT_KEY}|client-secret`));
});

it('uses and logs nothing while no shared secret changes', async () => {
  for (const [key, warnings] of [
    [NEXT_KEY, 1],
    [KEY, 2],
  ] as const) {
    write('cache-keys', key);
    await vi.waitFor(() => expect(logged('restart the service')).toBe(warnings), { interval: 1 });
  }
  expect([used, lines.length]).toEqual([[], 2]);
});
