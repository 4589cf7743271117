import { latency } from './figures.ts';
import { outcome } from './pods.ts';
import { authenticate } from './regional.ts';

/** Outcomes and durations of calls. */
export interface LoadReport {
  outcomes: Record<string, number>;
  calls: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

/** Sequential calls by a few clients; each call is timed. */
export class Load {
  readonly #timesMs: number[] = [];
  readonly #outcomes: Record<string, number> = {};

  /** Makes one call and records its outcome. */
  async call(pod: { url: string }, authorization: string, contexts?: unknown[]): Promise<string> {
    const begun = performance.now();
    const result = outcome(await authenticate(pod, authorization, contexts && { contexts }));
    this.#timesMs.push(performance.now() - begun);
    this.#outcomes[result] = (this.#outcomes[result] ?? 0) + 1;
    return result;
  }

  /** Sends each credential once. */
  async callAll(pod: { url: string }, authorizations: readonly string[], clients = 4): Promise<void> {
    const left = [...authorizations];
    const client = async () => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) await this.call(pod, next);
    };
    await Promise.all(Array.from({ length: clients }, client));
  }

  /** Sends the credentials in turn to every pod until `work` resolves. */
  async during(
    pods: readonly { url: string }[],
    authorizations: readonly string[],
    work: () => Promise<unknown>,
    clients = 2,
  ): Promise<void> {
    let working = true;
    let turn = 0;
    const client = async () => {
      while (working) {
        turn += 1;
        await this.call(
          pods[turn % pods.length] as { url: string },
          authorizations[turn % authorizations.length] as string,
        );
      }
    };
    const running = Promise.all(Array.from({ length: clients }, client));
    try {
      await work();
    } finally {
      working = false;
      await running;
    }
  }

  report(): LoadReport {
    return { outcomes: { ...this.#outcomes }, ...latency({ timesMs: this.#timesMs }) };
  }
}

/** Prints figures for docs/failure-modes.md. */
export function printFigures(name: string, figures: object): void {
  console.log(`[figure] ${name}: ${JSON.stringify(figures)}`);
}
