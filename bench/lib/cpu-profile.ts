import { basename } from 'node:path';

/** The parts of a `.cpuprofile` (Chrome DevTools protocol, Profiler.Profile) that are read. */
export interface CpuProfile {
  nodes: {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
  }[];
  samples: number[];
  /** Microseconds before each sample. */
  timeDeltas: number[];
}

/** Time in one function itself, without what it calls. */
export interface SelfTime {
  name: string;
  place: string;
  /** `ours`, the name of a package, `node`, or `engine`. */
  owner: string;
  /** Of all time that was not idle, 0 to 1. */
  share: number;
}

/** Functions by self time, most first. Idle time is left out: it says how busy the load kept the process. */
export function selfTimes(profile: CpuProfile): { functions: SelfTime[]; busyShare: number } {
  const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
  const times = new Map<string, { name: string; place: string; owner: string; micros: number }>();
  let idle = 0;
  let busy = 0;
  for (const [index, id] of profile.samples.entries()) {
    const micros = profile.timeDeltas[index] ?? 0;
    const frame = frames.get(id);
    if (frame === undefined) continue;
    if (frame.url === 'node:inspector') continue; // the profiler itself
    if (frame.functionName === '(idle)') {
      idle += micros;
      continue;
    }
    busy += micros;
    const name = frame.functionName || '(anonymous)';
    const place = frame.url === '' ? '' : `${basename(frame.url)}:${frame.lineNumber + 1}`;
    const entry = times.get(`${name} ${frame.url} ${place}`) ?? {
      name,
      place,
      owner: ownerOf(frame),
      micros: 0,
    };
    entry.micros += micros;
    times.set(`${name} ${frame.url} ${place}`, entry);
  }
  const functions = [...times.values()]
    .map(({ micros, ...rest }) => ({ ...rest, share: busy === 0 ? 0 : micros / busy }))
    .sort((a, b) => b.share - a.share);
  return { functions, busyShare: busy / (busy + idle) };
}

/** Self time of everything that belongs together, most first. */
export function byOwner(functions: readonly SelfTime[]): { owner: string; share: number }[] {
  const shares = new Map<string, number>();
  for (const { owner, share } of functions) shares.set(owner, (shares.get(owner) ?? 0) + share);
  return [...shares].map(([owner, share]) => ({ owner, share })).sort((a, b) => b.share - a.share);
}

function ownerOf({ functionName, url }: CpuProfile['nodes'][number]['callFrame']): string {
  const inPackage = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
  if (inPackage !== undefined) return inPackage;
  if (url.startsWith('node:')) return `node (${url.replace(/^node:(?:internal\/)?/, '').split('/')[0]})`;
  if (url !== '') return 'ours';
  if (functionName === '(garbage collector)') return 'garbage collector';
  return functionName === '(program)' ? 'outside of JavaScript (libuv, kernel)' : 'native functions';
}
