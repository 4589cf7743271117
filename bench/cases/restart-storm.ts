import { fileURLToPath } from 'node:url';
import { startBaseline } from '../lib/baseline.ts';
import type { Bench } from '../lib/bench.ts';
import { startNode } from '../lib/child.ts';
import { benchKeys, DEFAULT_HASH } from '../lib/keys.ts';
import type { StormPlan, StormResult } from '../lib/load/restart-storm.ts';
import { fillWithManyKeys, manyKeyAuthorization } from '../lib/many-keys.ts';
import { projectRequest } from '../lib/one-project.ts';
import { alternate } from '../lib/pairs.ts';
import { createRegionDatabase } from '../lib/region-database.ts';
import { startRegional } from '../lib/regional.ts';
import { pairedRow, type Row } from '../lib/row.ts';
import { startBenchPostgres } from '../lib/servers.ts';

const KEYS = 10_000;
const RATE_PER_SECOND = 2_000;
const TIMEOUT_MS = 2_000;
const MAX_SECONDS = 120;
/** Comparisons of a measurement of bare argon2. */
const BASELINE_RUNS = 1_000;

/**
 * Starts the service without Redis while the callers of its keys return, each with one key. A caller waits for two seconds
 * and retries. argon2 should do as much useful work as bare argon2 on the same processor, from the first second on.
 */
export async function restartStorm(bench: Bench): Promise<Row[]> {
  const count = bench.options.keys ?? KEYS;
  const database = await createRegionDatabase(await startBenchPostgres(bench));
  await fillWithManyKeys(database, count, DEFAULT_HASH);
  const requests = Array.from({ length: count }, (_, n) =>
    projectRequest({ authorization: manyKeyAuthorization(n + 1) }),
  );
  const bare = await startBaseline(bench, 'baselines/argon2.ts');
  const secrets = (await benchKeys('restart storm', BASELINE_RUNS, DEFAULT_HASH)).map(
    ({ secret, secretHash }) => ({ secret, secretHash }),
  );
  const callers = startNode(fileURLToPath(new URL('../lib/load/restart-storm.ts', import.meta.url)), {
    processors: bench.options.pinning?.others,
  });
  bench.defer(() => callers.stop());

  const storm = async () => {
    const service = await startRegional(bench, database.url, {
      // All callers have one address.
      env: { MAX_CONNECTIONS: '20000', MAX_CONNECTIONS_PER_ADDRESS: '20000' },
    });
    const reply = callers.message<{ result: StormResult } | { error: string }>();
    callers.process.send({
      port: service.port,
      requests,
      ratePerSecond: RATE_PER_SECOND,
      timeoutMs: TIMEOUT_MS,
      maxSeconds: MAX_SECONDS,
    } satisfies StormPlan);
    const outcome = await reply;
    if ('error' in outcome) throw new Error(`the callers failed: ${outcome.error}`);
    const metrics = await service.metrics();
    await service.child.stop();
    const { granted, shed, timeouts, seconds } = outcome.result;
    bench.log(
      `200: ${granted.join(' ')}; 503: ${shed.join(' ')}; ${timeouts} timeouts, ${metrics.get('iam_argon2_run_seconds_count')} argon2 runs, ${metrics.get('iam_argon2_abandoned_total')} abandoned, ${seconds.toFixed(1)} s`,
    );
    return outcome.result;
  };
  const bareRate = async () => (await bare.request<{ perSecond: number }>(secrets)).perSecond;
  await bareRate();
  const pairs = await alternate<StormResult | number>(bench.options.pairs, storm, bareRate, ({ baseline }) =>
    bench.log(`bare argon2: ${(baseline as number).toFixed(0)}/s`),
  );

  const row = { case: 'restart-storm', against: 'bare argon2.verify, same concurrency', unit: '200/s' };
  const of = (value: (result: StormResult) => number) =>
    pairs.map(({ subject, baseline }) => ({
      subject: value(subject as StormResult),
      baseline: baseline as number,
    }));
  const storms = pairs.map(({ subject }) => subject as StormResult);
  const range = (values: readonly number[]) =>
    `${Math.round(Math.min(...values))} to ${Math.round(Math.max(...values))}`;
  return [
    pairedRow(
      {
        ...row,
        measure: `first second, ${count.toLocaleString('en')} keys at ${RATE_PER_SECOND}/s`,
        target: { bound: 'at least', value: 0.9 },
      },
      of(({ granted }) => granted[0] ?? 0),
    ),
    pairedRow(
      {
        ...row,
        measure: 'while 90 % of the keys were verified',
        target: { bound: 'at least', value: 0.9 },
        notes: [
          `all keys verified after ${range(storms.map(({ seconds }) => seconds))} s, ${range(storms.map(({ shed }) => sum(shed)))} refusals, ${range(storms.map(({ timeouts }) => timeouts))} timeouts`,
        ],
      },
      of(({ granted }) => meanUntil(granted, 0.9 * count)),
    ),
  ];
}

/** Mean of the full seconds until `count` is reached: at the end few callers are left. */
function meanUntil(perSecond: readonly number[], count: number): number {
  let total = 0;
  for (const [second, granted] of perSecond.entries()) {
    total += granted;
    if (total >= count) return total / (second + 1);
  }
  return total / perSecond.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
