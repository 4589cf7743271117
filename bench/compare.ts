import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { Bench } from './lib/bench.ts';
import { benchKeys, CHEAP_HASH, DEFAULT_HASH } from './lib/keys.ts';
import { createLoadedSide } from './lib/loaded-side.ts';
import { projectRequest, viewerRow } from './lib/one-project.ts';
import { alternate } from './lib/pairs.ts';
import { pinSelf } from './lib/pinning.ts';
import { createRegionDatabase, insertKeys } from './lib/region-database.ts';
import { startRegional } from './lib/regional.ts';
import { startBenchPostgres, startBenchRedis } from './lib/servers.ts';
import { timeToReady } from './lib/start-time.ts';
import { median, type Pair, percentile, ratio } from './lib/statistics.ts';

const CONNECTIONS = 32;
const WARM_UP_SECONDS = 4;
const THIS_CHECKOUT = resolve(import.meta.dirname, '..');
/** So few entries that each key is evicted before its next request. */
const FEW_ENTRIES = { CACHE_MAX_ENTRIES: '16' };

/** Keys per load and settings of both services. */
const loads = {
  'warm-one-key': { count: 1, hash: CHEAP_HASH, env: {} },
  warm: { count: 1_000, hash: CHEAP_HASH, env: {} },
  'redis-hit': { count: 2_000, hash: CHEAP_HASH, env: { ...FEW_ENTRIES, REDIS_TIMEOUT_MS: '100' } },
  cold: { count: 2_000, hash: DEFAULT_HASH, env: FEW_ENTRIES },
  'cold-cheap-hash': { count: 20_000, hash: CHEAP_HASH, env: FEW_ENTRIES },
};

interface Options {
  base: string;
  rounds: number;
  pairs: number;
  seconds: number;
}

/** Values of both checkouts by measured quantity. */
type PairsByMeasure = Record<string, Pair[]>;

await new Command('compare')
  .description('Measures this checkout and another checkout of this repository in turn, under the same load.')
  .argument('<case>', `one of: ${Object.keys(loads).join(', ')}, start`)
  .requiredOption('--base <checkout>', 'directory of the other checkout; it needs its node_modules')
  .option('--rounds <count>', 'number of rounds; each round restarts both services', Number, 3)
  .option('--pairs <count>', 'pairs per round', Number, 4)
  .option('--seconds <seconds>', 'length of one measurement', Number, 2)
  .action(async (name: string, options: Options) => {
    const log = (message: string) => console.error(`[${name}] ${message}`);
    const bench = new Bench({ pairs: options.pairs, seconds: options.seconds, pinning: pinSelf(), log });
    try {
      const measure = name === 'start' ? compareStarts : compareUnderLoad(name);
      for (const [what, pairs] of Object.entries(await measure(bench, resolve(options.base), options))) {
        console.log(formatRatios(what, pairs));
      }
    } finally {
      await bench.close();
    }
  })
  .parseAsync();

function compareUnderLoad(name: string) {
  if (!Object.hasOwn(loads, name)) throw new RangeError(`There is no case ${name}.`);
  const { count, hash, env } = loads[name as keyof typeof loads];
  return async (bench: Bench, base: string, { rounds, pairs }: Options): Promise<PairsByMeasure> => {
    const keys = await benchKeys(name.startsWith('warm') ? 'warm' : name, Math.max(count, 1_000), hash);
    const requests = keys.slice(0, count).map(projectRequest);
    const database = await createRegionDatabase(await startBenchPostgres(bench));
    await database.fill((client) => insertKeys(client, keys.map(viewerRow)));
    const redis = name === 'redis-hit' ? await startBenchRedis(bench) : undefined;
    const generator = bench.startGenerator();
    const measured: PairsByMeasure = {
      'requests per second': [],
      'processor time per request, µs': [],
      'p99, ms': [],
    };
    for (let round = 1; round <= rounds; round += 1) {
      const sideOf = async (checkout: string) => {
        // With separate cache keys, neither service reads entries of the other.
        const shared = redis && { REDIS_URL: redis.url, CACHE_KEYS: randomBytes(32).toString('base64') };
        const service = await startRegional(bench, database.url, { checkout, env: { ...env, ...shared } });
        const plan = { requests, connections: CONNECTIONS };
        await generator.run({ ...plan, port: service.port, seconds: WARM_UP_SECONDS });
        return { service, run: createLoadedSide(bench, generator, service, plan) };
      };
      const [ours, theirs] = [await sideOf(THIS_CHECKOUT), await sideOf(base)];
      await alternate(pairs, ours.run, theirs.run, ({ subject, baseline }) => {
        for (const { statuses } of [subject, baseline]) {
          if (Object.keys(statuses).join() !== '200')
            throw new Error(`unexpected statuses: ${JSON.stringify(statuses)}`);
        }
        const add = (what: string, value: (side: typeof subject) => number) =>
          measured[what]?.push({ subject: value(subject), baseline: value(baseline) });
        add('requests per second', (side) => side.perSecond);
        add('processor time per request, µs', (side) => side.cpuMicros);
        add('p99, ms', (side) => side.latencyMs.p99);
        bench.log(
          `round ${round}: ${subject.perSecond.toFixed(0)}/s against ${baseline.perSecond.toFixed(0)}/s`,
        );
      });
      for (const { service } of [ours, theirs]) await service.child.stop();
    }
    return measured;
  };
}

/** Compares the time from process start to the first 200 of `/readyz`. */
async function compareStarts(
  bench: Bench,
  base: string,
  { rounds, pairs }: Options,
): Promise<PairsByMeasure> {
  const database = await createRegionDatabase(await startBenchPostgres(bench));
  const startOf = (checkout: string) => () =>
    timeToReady(bench, resolve(checkout, 'src/main.js'), database.url);
  for (const checkout of [THIS_CHECKOUT, base, THIS_CHECKOUT, base]) await startOf(checkout)();
  const measured = await alternate(rounds * pairs, startOf(THIS_CHECKOUT), startOf(base));
  const of = (key: 'ms' | 'cpuMs') =>
    measured.map(({ subject, baseline }) => ({ subject: subject[key], baseline: baseline[key] }));
  return { 'start to ready, ms': of('ms'), 'processor time until ready, ms': of('cpuMs') };
}

/** Formats the ratios of the pairs in one line: median, quartiles, minimum and maximum. */
function formatRatios(what: string, pairs: readonly Pair[]): string {
  const ratios = pairs.map(ratio).sort((a, b) => a - b);
  const [low, middle, high] = [percentile(ratios, 0.25), median(ratios), percentile(ratios, 0.75)];
  const figure = (value: number) => value.toPrecision(4);
  return [
    `${what}: ${middle.toFixed(3)} × (quartiles ${low.toFixed(3)} – ${high.toFixed(3)},`,
    `min ${ratios[0]?.toFixed(3)}, max ${ratios.at(-1)?.toFixed(3)}, ${pairs.length} pairs);`,
    `here ${figure(median(pairs.map(({ subject }) => subject)))}, base ${figure(median(pairs.map(({ baseline }) => baseline)))}`,
  ].join(' ');
}
