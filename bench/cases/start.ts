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
import { type Started, timeToAnswer, timeToReady } from '../lib/start-time.ts';

const KEYS = 1_000_000;

const script = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * From starting the process to the first 200 of `/readyz`, Postgres being up with a million keys, against a bare
 * Fastify from its start to its first 200.
 */
export async function start(bench: Bench): Promise<Row[]> {
  bench.log(`filling a table with ${KEYS.toLocaleString('en')} keys`);
  const database = await createRegionDatabase(await startBenchPostgres(bench));
  await fillWithManyKeys(database, KEYS);

  const ours = () => timeToReady(bench, script('../../src/main.js'), database.url);
  const theirs = async () => {
    const port = await freePort();
    return await timeToAnswer(bench, script('../baselines/bare-fastify.mjs'), {
      port,
      request: httpPost(AUTHENTICATE_PATH, {}, '{}'),
      env: { PORT: String(port), PATH_TO_ANSWER: AUTHENTICATE_PATH },
    });
  };
  await ours();
  await theirs();
  const pairs = await alternate(bench.options.pairs, ours, theirs, ({ subject, baseline }) =>
    bench.log(`${told(subject)} against ${told(baseline)}`),
  );
  return [
    pairedRow(
      {
        case: 'start',
        measure: 'process start to ready, 1,000,000 keys in the table',
        against: 'bare Fastify process start to its first 200',
        unit: 'ms',
        target: { bound: 'at most', value: 300 },
        notes: ['the figure is what the service takes longer'],
      },
      pairs.map(({ subject, baseline }) => ({ subject: subject.ms, baseline: baseline.ms })),
      'difference',
    ),
    pairedRow(
      {
        case: 'start',
        measure: 'processor time until then',
        against: 'the same of the bare Fastify',
        unit: 'ms',
      },
      pairs.map(({ subject, baseline }) => ({ subject: subject.cpuMs, baseline: baseline.cpuMs })),
      'difference',
    ),
  ];
}

function told({ ms, cpuMs }: Started): string {
  return `${Math.round(ms)} ms (${Math.round(cpuMs)} ms of processor time)`;
}
