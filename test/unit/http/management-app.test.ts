import pino from 'pino';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { createManagementApp, type HealthState } from '../../../src/http/management-app.ts';

/** Status and body of /readyz and /startupz. */
async function probes(health: Partial<HealthState>) {
  const state: HealthState = { started: true, closing: false, obstacles: () => [], ...health };
  const app = await createManagementApp({
    health: state,
    registry: new Registry(),
    logger: pino({ level: 'silent' }),
  });
  const probe = async (path: string) => {
    const { statusCode, body } = await app.inject(path);
    return [statusCode, JSON.parse(body)];
  };
  return { ready: await probe('/readyz'), started: await probe('/startupz'), live: await probe('/livez') };
}

it('a process that can serve is ready, with its details', async () => {
  expect(await probes({ details: () => ({ age: 1 }) })).toEqual({
    ready: [200, { status: 'ok', age: 1 }],
    started: [200, { status: 'ok' }],
    live: [200, { status: 'ok' }],
  });
});

it('a process that shuts down is unready, even if nothing else prevents it from serving', async () => {
  expect(await probes({ closing: true })).toMatchObject({
    ready: [503, { status: 'unready', obstacles: ['closing'] }],
    live: [200, {}],
  });
});

it('a process with an obstacle is unready, with the reason', async () => {
  expect(
    await probes({ obstacles: () => ['the clock is wrong'], details: () => ({ age: 1 }) }),
  ).toMatchObject({
    ready: [503, { status: 'unready', obstacles: ['the clock is wrong'], age: 1 }],
    started: [200, {}],
  });
});

it('a process that has never been able to serve is neither started nor ready', async () => {
  expect(await probes({ started: false, obstacles: () => ['no replica'] })).toEqual({
    ready: [503, { status: 'unready', obstacles: ['no replica'] }],
    started: [503, { status: 'starting', obstacles: ['no replica'] }],
    live: [200, { status: 'ok' }],
  });
  expect(await probes({ started: false })).toMatchObject({ ready: [503, {}], started: [503, {}] });
});
