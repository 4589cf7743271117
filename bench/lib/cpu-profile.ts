import { basename } from 'node:path';

/** The used fields of a `.cpuprofile` (Chrome DevTools protocol, Profiler.Profile). */
export interface CpuProfile {
  nodes: {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
  }[];
  samples: number[];
  /** Microseconds between each sample and the one before it. */
  timeDeltas: number[];
}

/** Time in one function, excluding the functions that it calls. */
export interface SelfTime {
  name: string;
  location: string;
  /** `ours`, the name of a package, a module of Node, or a part of the engine. */
  owner: string;
  /** Share of the busy time, 0 to 1. */
  share: number;
}

/** Functions in descending order of self time. Shares exclude idle time, which depends on the load. */
export function computeSelfTimes(profile: CpuProfile): { functions: SelfTime[]; busyShare: number } {
  const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
  const times = new Map<string, { name: string; location: string; owner: string; micros: number }>();
  let idle = 0;
  let busy = 0;
  for (const [index, id] of profile.samples.entries()) {
    const micros = profile.timeDeltas[index] ?? 0;
    const frame = frames.get(id);
    if (frame === undefined) continue;
    if (frame.url === 'node:inspector') continue; // belongs to the profiler
    if (frame.functionName === '(idle)') {
      idle += micros;
      continue;
    }
    busy += micros;
    const name = frame.functionName || '(anonymous)';
    const location = frame.url === '' ? '' : `${basename(frame.url)}:${frame.lineNumber + 1}`;
    const entry = times.get(`${name} ${frame.url} ${location}`) ?? {
      name,
      location,
      owner: ownerOf(frame),
      micros: 0,
    };
    entry.micros += micros;
    times.set(`${name} ${frame.url} ${location}`, entry);
  }
  const functions = [...times.values()]
    .map(({ micros, ...rest }) => ({ ...rest, share: busy === 0 ? 0 : micros / busy }))
    .sort((a, b) => b.share - a.share);
  return { functions, busyShare: busy / (busy + idle) };
}

/** Self time per owner, in descending order. */
export function groupByOwner(functions: readonly SelfTime[]): { owner: string; share: number }[] {
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
