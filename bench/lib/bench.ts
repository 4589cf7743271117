import { type Generator, startGenerator } from './load/generator.ts';
import type { Pinning } from './pinning.ts';

/** How long to measure, and where to say what is going on. */
export interface BenchOptions {
  pairs: number;
  /** Of each measurement. */
  seconds: number;
  pinning: Pinning | undefined;
  log(message: string): void;
}

/** What a case works with. Everything that is started through it is stopped when the case is over. */
export class Bench {
  readonly options: BenchOptions;
  readonly #closers: (() => Promise<unknown>)[] = [];

  constructor(options: BenchOptions) {
    this.options = options;
  }

  /** Registers something to be undone; last in, first out. */
  defer(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  log(message: string): void {
    this.options.log(message);
  }

  /** A load generator beside the measured process. */
  generator(): Generator {
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
