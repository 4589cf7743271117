import { percentile } from '../statistics.ts';
import type { Latencies } from './plan.ts';

/** Stores every latency, so that percentiles are exact. */
export class LatencyRecorder {
  #values = new Float64Array(1 << 16);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  record(ms: number): void {
    if (this.#count === this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#count] = ms;
    this.#count += 1;
  }

  /** @throws {RangeError} if no latency was recorded */
  summary(): Latencies {
    const sorted = this.#values.subarray(0, this.#count).sort();
    let sum = 0;
    for (const value of sorted) sum += value;
    const at = (share: number) => percentile(sorted, share);
    return {
      mean: sum / sorted.length,
      p50: at(0.5),
      p90: at(0.9),
      p99: at(0.99),
      p999: at(0.999),
      max: at(1),
    };
  }
}
