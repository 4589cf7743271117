import { type Generator, startGenerator } from './load/generator.ts';
import type { Pinning } from './pinning.ts';

/** Length of the measurements and destination of the progress messages. */
export interface BenchOptions {
  pairs: number;
  /** Length of one measurement. */
  seconds: number;
  /** Population of the cases that have one as a parameter; `undefined` for that of the case. */
  keys?: number | undefined;
  pinning: Pinning | undefined;
  log(message: string): void;
}

/** Context of a case. `close` stops everything that the case started through it. */
export class Bench {
  readonly options: BenchOptions;
  readonly #closers: (() => Promise<unknown>)[] = [];

  constructor(options: BenchOptions) {
    this.options = options;
  }

  /** Registers a clean-up step. `close` runs the steps in reverse order. */
  defer(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  log(message: string): void {
    this.options.log(message);
  }

  /** Starts a load generator on the processors of the other processes. */
  startGenerator(): Generator {
    const generator = startGenerator(this.options.pinning?.others);
    this.defer(() => generator.stop());
    return generator;
  }

  async close(): Promise<void> {
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) {
      await close().catch((error: unknown) => this.log(`cleaning up failed: ${String(error)}`));
    }
  }
}
