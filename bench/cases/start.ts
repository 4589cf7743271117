import { fileURLToPath } from 'node:url';
import { freePort } from '../../dev/ports.ts';
import { AUTHENTICATE_PATH } from '../../src/regional/authentication-call.ts';
import type { Bench } from '../lib/bench.ts';
import { fillWithManyKeys } from '../lib/many-keys.ts';
import { alternate } from '../lib/pairs.ts';
import { createRegionDatabase } from '../lib/region-database.ts';
import { httpPost } from '../lib/requests.ts';
import { pairedRow, type Row } from '../lib/row.ts';
import { startBenchPostgres } from '../lib/servers.ts';
import { type StartDuration, timeToFirstResponse, timeToReady } from '../lib/start-time.ts';

const KEYS = 1_000_000;

const script = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * Compares the time from process start to the first 200 of `/readyz`, with a million keys in Postgres, with the time
 * from the start of a bare Fastify to its first 200.
 */
export async function start(bench: Bench): Promise<Row[]> {
  bench.log(`filling a table with ${KEYS.toLocaleString('en')} keys`);
  const database = await createRegionDatabase(await startBenchPostgres(bench));
  await fillWithManyKeys(database, KEYS);

  const startService = () => timeToReady(bench, script('../../src/main.js'), database.url);
  const startFastify = async () => {
    const port = await freePort();
    return await timeToFirstResponse(bench, script('../baselines/bare-fastify.mjs'), {
      port,
      request: httpPost(AUTHENTICATE_PATH, {}, '{}'),
      env: { PORT: String(port), ROUTE_PATH: AUTHENTICATE_PATH },
    });
  };
  await startService();
  await startFastify();
  const pairs = await alternate(bench.options.pairs, startService, startFastify, ({ subject, baseline }) =>
    bench.log(`${summarize(subject)} against ${summarize(baseline)}`),
  );
  return [
    pairedRow(
      {
        case: 'start',
        measure: 'process start to ready, 1,000,000 keys in the table',
        against: 'bare Fastify, process start to first 200',
        unit: 'ms',
        target: { bound: 'at most', value: 300 },
        notes: ['the figure is the difference between service and baseline'],
      },
      pairs.map(({ subject, baseline }) => ({ subject: subject.ms, baseline: baseline.ms })),
      'difference',
    ),
    pairedRow(
      {
        case: 'start',
        measure: 'processor time until ready',
        against: 'bare Fastify, processor time until first 200',
        unit: 'ms',
      },
      pairs.map(({ subject, baseline }) => ({ subject: subject.cpuMs, baseline: baseline.cpuMs })),
      'difference',
    ),
  ];
}

function summarize({ ms, cpuMs }: StartDuration): string {
  return `${Math.round(ms)} ms (${Math.round(cpuMs)} ms of processor time)`;
}
