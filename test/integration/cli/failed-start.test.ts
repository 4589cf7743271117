import { execFile } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';

let other: Server;
let used: string;
beforeAll(async () => {
  other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  used = String((other.address() as AddressInfo).port);
});
afterAll(() => void other?.close());

const src = new URL('../../../src/', import.meta.url);

/** A process that only starts a service, and prints why it does not start. Nothing but open resources keeps it from its end. */
function started(module: string, start: string, settings: Record<string, string>) {
  const script = `
    import pino from 'pino';
    import { loadConfig } from '${src}config.ts';
    import { ${start} } from '${src}${module}';
    await ${start}(loadConfig(process.env), pino({ level: 'silent' })).catch(({ message }) => console.log(message));`;
  return new Promise<{ isKilled: boolean; output: string }>((resolve) => {
    execFile(
      process.execPath,
      ['--input-type=module', '--eval', script],
      { cwd: new URL('.', src), env: settings, timeout: 15_000 },
      (error, output) => resolve({ isKilled: error?.killed === true, output }),
    );
  });
}

const SERVICES = [
  ['the control plane', 'control-plane/start.ts', 'startControlPlane', 'CONTROL_PLANE_PORT'],
  ['the regional service', 'regional/regional-service.ts', 'startRegionalService', 'REGIONAL_PORT'],
] as const;

const settings = {
  PRIMARY_DATABASE_URL: 'postgres://127.0.0.1:1/iam',
  REPLICA_DATABASE_URL: 'postgres://127.0.0.1:1/iam',
  CONTROL_PLANE_PORT: '0',
  REGIONAL_PORT: '0',
  MANAGEMENT_PORT: '0',
};

it.each(SERVICES)('%s leaves nothing open if one of its ports is in use', async (_, module, start, port) => {
  for (const name of [port, 'MANAGEMENT_PORT']) {
    const { isKilled, output } = await started(module, start, { ...settings, [name]: used });
    expect([isKilled, output]).toEqual([false, expect.stringContaining(`${name}: another process`)]);
  }
});

it.each(SERVICES)('%s leaves nothing open if its certificate cannot be read', async (_, module, start) => {
  const files = { TLS_CERT_FILE: '/none/cert.pem', TLS_KEY_FILE: '/none/key.pem' };
  const { isKilled, output } = await started(module, start, { ...settings, ...files });
  expect([isKilled, output]).toEqual([false, expect.stringContaining('TLS_CERT_FILE: ')]);
});
