import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { serverOptions } from '../../../src/http/server-options.ts';
import { Traffic } from '../../../src/http/traffic.ts';
import { recordingLogger } from '../../support/recording-logger.ts';

/** The warnings of a process that starts with these settings. */
function warnings(settings: Record<string, string>): string[] {
  const config = loadConfig({ REPLICA_DATABASE_URL: 'postgres://127.0.0.1/iam', ...settings });
  const { logger, lines } = recordingLogger();
  serverOptions(config, logger, new Traffic(config, new Registry()));
  return lines.filter(({ level }) => level === 40).map(({ msg }) => msg);
}

const WARNING = expect.stringContaining('clients send credentials unencrypted');

it.each(['0.0.0.0', '::', '192.0.2.1', 'iam.example'])('warns of plaintext on %s', (HOST) => {
  expect(warnings({ HOST })).toEqual([WARNING]);
  expect(warnings({ HOST, ALLOW_PLAINTEXT: 'true' })).toEqual([]);
});

it.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('does not warn of plaintext on %s', (HOST) => {
  expect(warnings({ HOST })).toEqual([]);
});
