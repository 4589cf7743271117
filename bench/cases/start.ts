import { fileURLToPath } from 'node:url';
import { freePort } from '../../dev/ports.ts';
import { AUTHENTICATE_PATH } from '../../src/regional/authentication-path.ts';
import type { Bench } from '../lib/bench.ts';
import { startNode } from '../lib/child.ts';
import { cpuSeconds } from '../lib/cpu-time.ts';
import { PREFIX } from '../lib/keys.ts';
import { fillWithManyKeys } from '../lib/many-keys.ts';
import { alternate } from '../lib/pairs.ts';
import { createRegionDatabase } from '../lib/region-database.ts';
import { httpPost } from '../lib/requests.ts';
import { pairedRow, type Row } from '../lib/row.ts';
import { startBenchPostgres } from '../lib/servers.ts';
import { untilAnswered } from '../lib/until-answered.ts';

const KEYS = 1_000_000;

interface Started {
  ms: number;
  cpuMs: number;
}

const script = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * From starting the process to the first 200 of `/readyz`, Postgres being up with a million keys, against a bare
 * Fastify from its start to its first 200.
 */
export async function start(bench: Bench): Promise<Row[]> {
  bench.log(`filling a table with ${KEYS.toLocaleString('en')} keys`);
  const database = await createRegionDatabase(await startBenchPostgres(bench));
  await fillWithManyKeys(database, KEYS);

  const ours = async () => {
    const [port, managementPort] = [await freePort(), await freePort()];
    return await timed(script('../../src/main.js'), ['regional'], managementPort, get('/readyz'), {
      REPLICA_DATABASE_URL: database.url,
      REGIONAL_PORT: String(port),
      MANAGEMENT_PORT: String(managementPort),
      CREDENTIAL_PREFIX: PREFIX,
    });
  };
  const theirs = async () => {
    const port = await freePort();
    return await timed(
      script('../baselines/bare-fastify.mjs'),
      [],
      port,
      httpPost(AUTHENTICATE_PATH, {}, '{}'),
      {
        PORT: String(port),
        PATH_TO_ANSWER: AUTHENTICATE_PATH,
      },
    );
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

  async function timed(
    path: string,
    args: readonly string[],
    port: number,
    request: Buffer,
    env: Record<string, string>,
  ): Promise<Started> {
    const startedAtMs = performance.now();
    const child = startNode(path, { processors: bench.options.pinning?.server, args, env });
    try {
      await untilAnswered(port, request);
      return { ms: performance.now() - startedAtMs, cpuMs: (await cpuSeconds(child.pid)) * 1_000 };
    } finally {
      await child.stop();
    }
  }
}

function told({ ms, cpuMs }: Started): string {
  return `${Math.round(ms)} ms (${Math.round(cpuMs)} ms of processor time)`;
}

function get(path: string): Buffer {
  return Buffer.from(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`);
}
