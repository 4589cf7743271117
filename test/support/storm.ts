import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';

/** What a storm sends: each credential once, the credentials in a loop until it is stopped, or wrong secrets for ids in turn. */
export type StormOrder = { url: string; clients: number; pauseMs?: number } & (
  | { kind: 'each' | 'again'; authorizations: readonly string[] }
  | { kind: 'wrong'; ids: readonly string[]; count: number }
);

/** Result of a storm. */
export interface StormReport {
  outcomes: Record<string, number>;
  /** Credentials with a 503. */
  shed: string[];
  sheddingWithoutRetryAfter: number;
  timesMs: number[];
}

/** Clients in a worker thread. */
export class Storm {
  readonly #worker: Worker;
  /** Resolves after the last response. */
  readonly done: Promise<StormReport>;

  constructor(order: StormOrder) {
    this.#worker = new Worker(new URL('./storm-client.ts', import.meta.url), {
      workerData: order,
      execArgv: [],
    });
    this.done = Promise.race([
      once(this.#worker, 'message').then(([report]) => report as StormReport),
      once(this.#worker, 'error').then(([error]) => Promise.reject(error)),
    ]);
  }

  stop(): Promise<StormReport> {
    this.#worker.postMessage('stop');
    return this.done;
  }
}

/** Live heap of this thread after a collection, in MiB. */
export function liveHeapMiB(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  return Number((process.memoryUsage().heapUsed / 1_048_576).toFixed(1));
}
