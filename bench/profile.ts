import { randomBytes } from 'node:crypto';
import type { Bench } from './lib/bench.ts';
import { type CpuProfile, computeSelfTimes, groupByOwner } from './lib/cpu-profile.ts';
import { createLoadedSide, type LoadedResult, summarize } from './lib/loaded-side.ts';
import { callProbe, probeNodeArgs } from './lib/probe-client.ts';
import { startBenchRedis } from './lib/servers.ts';
import { startWarmStack } from './lib/warm-stack.ts';

const FUNCTIONS_SHOWN = 30;
const KEYS = 1_000;
const CONNECTIONS = 32;
const WARM_UP_REQUESTS = 20_000;
/** Fewer than `KEYS`, so that each entry is evicted before the next request of its key. */
const FEW_ENTRIES = '128';

/** Paths of a request and the settings that force each path. */
export const profiledPaths: Record<string, (bench: Bench) => Promise<Record<string, string>>> = {
  warm: async () => ({}),
  redis: async (bench) => ({
    REDIS_URL: (await startBenchRedis(bench)).url,
    CACHE_KEYS: randomBytes(32).toString('base64'),
    REDIS_TIMEOUT_MS: '100',
    CACHE_MAX_ENTRIES: FEW_ENTRIES,
  }),
  cold: async () => ({ CACHE_MAX_ENTRIES: FEW_ENTRIES }),
};

/**
 * Takes a CPU profile (self times) of the JavaScript thread on one path. The keys have the cheapest hash.
 */
export async function profile(bench: Bench, path: string): Promise<string> {
  const env = (await profiledPaths[path]?.(bench)) ?? {};
  const { service, requests } = await startWarmStack(bench, KEYS, { nodeArgs: probeNodeArgs, env });
  const generator = bench.startGenerator();
  const load = { requests, connections: CONNECTIONS };
  bench.log('warming up');
  await generator.run({ ...load, port: service.port, count: WARM_UP_REQUESTS });
  const run = createLoadedSide(bench, generator, service, load);
  bench.log(`before profiling: ${summarize(await run())}`);
  await callProbe(service.child, 'start profile');
  const result = await run();
  return render(path, await callProbe<CpuProfile>(service.child, 'stop profile'), result);
}

function render(path: string, cpuProfile: CpuProfile, result: LoadedResult): string {
  const { functions, busyShare } = computeSelfTimes(cpuProfile);
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`.padStart(7);
  return [
    `${path}: ${summarize(result)} while profiled, busy ${percent(busyShare).trim()} of the time`,
    '',
    'self time by owner',
    ...groupByOwner(functions)
      .filter(({ share }) => share >= 0.002)
      .map(({ owner, share }) => `${percent(share)}  ${owner}`),
    '',
    'self time by function',
    ...functions
      .slice(0, FUNCTIONS_SHOWN)
      .map(({ name, location, owner, share }) => `${percent(share)}  ${name}  ${location}  [${owner}]`),
  ].join('\n');
}
