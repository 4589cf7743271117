import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ConfigError, loadConfig, SECRET_SETTINGS } from '../../src/config.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'iam-secrets-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, 'secret');
  writeFileSync(path, text);
  return path;
}

function refusal(environment: Record<string, string>): string {
  try {
    loadConfig(environment);
    return '';
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
}

it.each([
  ['CLIENT_AUTHENTICATION_SECRETS', 'first-client-secret,next-client-secret'],
  ['FORWARDING_SECRETS', 'first-forwarding-secret'],
  ['CACHE_KEYS', Buffer.alloc(32).toString('base64')],
  ['REPLICA_DATABASE_URL', 'postgres://u:p@127.0.0.1/iam'],
  ['PRIMARY_DATABASE_URL', 'postgres://u:p@127.0.0.1/iam'],
  ['CHANGE_FEED_DATABASE_URL', 'postgres://u:p@127.0.0.1/iam'],
  ['EXPIRY_WEBHOOK_SECRET', 'a-webhook-secret-of-32-bytes'],
  ['IAM_API_KEY', 'essu_x'],
] as const)('%s may be in a file, without its last line break', (name, value) => {
  const expected = loadConfig({ [name]: value });
  expect(loadConfig({ [`${name}_FILE`]: file(`${value}\n`) })).toEqual(expected);
  expect(expected[name]).toBeDefined();
  expect(SECRET_SETTINGS).toContain(name);
});

it('satisfies a required setting', () => {
  const environment = { REPLICA_DATABASE_URL_FILE: file('postgres://127.0.0.1/iam') };
  expect(loadConfig(environment, ['REPLICA_DATABASE_URL']).REPLICA_DATABASE_URL).toBe(
    'postgres://127.0.0.1/iam',
  );
});

it('names the variable of a file that is missing, empty, or set beside the value', () => {
  expect(refusal({ CACHE_KEYS_FILE: join(folder, 'none') })).toContain(
    'CACHE_KEYS_FILE: the file cannot be read (ENOENT)',
  );
  // An empty list would mean that there is no client authentication.
  expect(refusal({ CLIENT_AUTHENTICATION_SECRETS_FILE: file('\n') })).toContain(
    'CLIENT_AUTHENTICATION_SECRETS_FILE: the file is empty',
  );
  expect(refusal({ CACHE_KEYS: 'a', CACHE_KEYS_FILE: file('b') })).toContain(
    'set either CACHE_KEYS or CACHE_KEYS_FILE',
  );
});

it('shows no value of a file in an error', () => {
  const message = refusal({ FORWARDING_SECRETS_FILE: file('s3cr3t') });
  expect(message).toContain('FORWARDING_SECRETS: each secret must have at least 16 characters');
  expect(message).not.toContain('s3cr3t');
});
