import { readdir, readFile, readlink } from 'node:fs/promises';
import { figures } from '../figures.ts';
import { metric } from '../pods.ts';
import type { Fleet } from './fleet.ts';

/** What the process of a pod holds. */
interface Holdings {
  descriptors: number;
  sockets: number;
  residentMiB: number;
  heapMiB: number;
}

const MIB = 1_048_576;
/** A process that is younger has not filled its caches. */
const MIN_SAMPLES = 6;

/** Samples what pods, the region and Redis hold over a run. */
export class Processes {
  readonly #fleet: Fleet;
  readonly #ofPod = new Map<number, Holdings[]>();

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  async sample(): Promise<void> {
    for (const { service } of this.#fleet.pods) {
      const { pid } = service.current;
      // A fault may end the process meanwhile.
      const holdings = await read(service.current).catch(() => undefined);
      if (holdings === undefined) continue;
      const samples = this.#ofPod.get(pid) ?? [];
      samples.push(holdings);
      this.#ofPod.set(pid, samples);
    }
  }

  /** What has grown: median of the last third of a process's samples against that of the second third. */
  growth(): string[] {
    return [...this.#ofPod].flatMap(([pid, samples]) => {
      if (samples.length < MIN_SAMPLES) return [];
      const third = Math.floor(samples.length / 3);
      const median = (part: readonly Holdings[], of: keyof Holdings) =>
        figures(part.map((one) => one[of])).p50;
      return (['descriptors', 'sockets', 'residentMiB', 'heapMiB'] as const).flatMap((of) => {
        const before = median(samples.slice(third, 2 * third), of);
        const after = median(samples.slice(2 * third), of);
        return after > 1.3 * before + 40 ? [`${of} of process ${pid}: ${before} to ${after}`] : [];
      });
    });
  }

  /** The most that a process has held, for a report. */
  get peak(): Holdings {
    const all = [...this.#ofPod.values()].flat();
    const most = (of: keyof Holdings) => Math.max(...all.map((one) => one[of]));
    return {
      descriptors: most('descriptors'),
      sockets: most('sockets'),
      residentMiB: most('residentMiB'),
      heapMiB: most('heapMiB'),
    };
  }
}

async function read({ pid, managementUrl }: { pid: number; managementUrl: string }): Promise<Holdings> {
  const descriptors = await readdir(`/proc/${pid}/fd`);
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const targets = await Promise.all(
    descriptors.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => 'closed')),
  );
  const resident = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1_024;
  const heap = (await metric({ managementUrl }, 'nodejs_heap_size_used_bytes')) ?? 0;
  return {
    descriptors: descriptors.length,
    sockets: targets.filter((target) => target.startsWith('socket:')).length,
    residentMiB: Math.round(resident / MIB),
    heapMiB: Math.round(heap / MIB),
  };
}
