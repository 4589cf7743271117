import { randomBytes } from 'node:crypto';
import { ask, probed } from './lib/ask.ts';
import type { Bench } from './lib/bench.ts';
import { byOwner, type CpuProfile, selfTimes } from './lib/cpu-profile.ts';
import { type LoadedResult, loadedSide, told } from './lib/loaded-side.ts';
import { startBenchRedis } from './lib/servers.ts';
import { warmWorld } from './lib/warm-world.ts';

const FUNCTIONS_SHOWN = 30;
const KEYS = 1_000;
const CONNECTIONS = 32;
const WARM_UP_REQUESTS = 20_000;
/** Fewer than there are keys, so that none is left when its turn comes again. */
const FEW_ENTRIES = '128';

/** The ways an answer can come about, and the settings that make it come about so. */
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
 * A CPU profile of one path, of the thread that runs JavaScript: who spends the time that no call of theirs spends.
 * Keys have the cheapest hash there is.
 */
export async function profile(bench: Bench, path: string): Promise<string> {
  const env = (await profiledPaths[path]?.(bench)) ?? {};
  const { service, requests } = await warmWorld(bench, KEYS, { nodeArgs: probed, env });
  const generator = bench.generator();
  const load = { requests, connections: CONNECTIONS };
  bench.log('warming up');
  await generator.run({ ...load, port: service.port, count: WARM_UP_REQUESTS });
  const run = loadedSide(bench, generator, service, load);
  bench.log(`before profiling: ${told(await run())}`);
  await ask(service.child, 'start profile');
  const result = await run();
  return render(path, await ask<CpuProfile>(service.child, 'stop profile'), result);
}

function render(path: string, read: CpuProfile, result: LoadedResult): string {
  const { functions, busyShare } = selfTimes(read);
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`.padStart(7);
  return [
    `${path}: ${told(result)} while profiled, busy ${percent(busyShare).trim()} of the time`,
    '',
    'self time by owner',
    ...byOwner(functions)
      .filter(({ share }) => share >= 0.002)
      .map(({ owner, share }) => `${percent(share)}  ${owner}`),
    '',
    'self time by function',
    ...functions
      .slice(0, FUNCTIONS_SHOWN)
      .map(({ name, place, owner, share }) => `${percent(share)}  ${name}  ${place}  [${owner}]`),
  ].join('\n');
}
