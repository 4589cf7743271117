import { ask, probed } from './lib/ask.ts';
import type { Bench } from './lib/bench.ts';
import { byOwner, type CpuProfile, selfTimes } from './lib/cpu-profile.ts';
import { warmWorld } from './lib/warm-world.ts';

const FUNCTIONS_SHOWN = 30;
const KEYS = 1_000;
const CONNECTIONS = 32;
const WARM_UP_REQUESTS = 20_000;

/** A CPU profile of the warm path: who spends the time that no call of theirs spends. */
export async function profile(bench: Bench): Promise<string> {
  const { service, requests } = await warmWorld(bench, KEYS, { nodeArgs: probed });
  const generator = bench.generator();
  const load = { port: service.port, requests, connections: CONNECTIONS };
  bench.log('warming up');
  await generator.run({ ...load, count: WARM_UP_REQUESTS });
  await ask(service.child, 'start profile');
  const { perSecond } = await generator.run({ ...load, seconds: bench.options.seconds });
  return render(await ask<CpuProfile>(service.child, 'stop profile'), perSecond);
}

function render(read: CpuProfile, perSecond: number): string {
  const { functions, busyShare } = selfTimes(read);
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`.padStart(7);
  return [
    `${Math.round(perSecond)} req/s while profiled, busy ${percent(busyShare).trim()} of the time`,
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
