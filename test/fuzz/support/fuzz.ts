import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';

/** Cases per target: enough for each change here, and 100,000 with `npm run test:fuzz`. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 2_000);
/** The printed seed of a run repeats it, with the same `FUZZ_RUNS`. */
const SEED = Number(process.env.FUZZ_SEED ?? randomInt(2 ** 31));
/** Processor time of one case. The largest inputs take milliseconds; a quadratic parser needs minutes for them. */
const MAX_CASE_MS = 1_500;

/**
 * Checks a property for many generated inputs, and the processor time of each: no input may take long. Other processes do not
 * add to processor time.
 * @param property throws if it does not hold; returns a label, or nothing, for `atLeast`
 * @param atLeast share of the cases per label: a target whose inputs are all refused early proves nothing
 */
export function fuzz<Input>(
  guarantee: string,
  input: fc.Arbitrary<Input>,
  property: (input: Input) => string | undefined | Promise<string | undefined>,
  atLeast: Record<string, number> = {},
): void {
  it(guarantee, async () => {
    const counts: Record<string, number> = {};
    let slowestMs = 0;
    const judge = async (value: Input) => {
      const before = process.threadCpuUsage();
      const label = await property(value);
      const { user, system } = process.threadCpuUsage(before);
      const ms = (user + system) / 1_000;
      slowestMs = Math.max(slowestMs, ms);
      if (label !== undefined) counts[label] = (counts[label] ?? 0) + 1;
      if (ms > MAX_CASE_MS) throw new Error(`this input takes ${Math.round(ms)} ms of processor time`);
    };
    await fc.assert(fc.asyncProperty(input, judge), { numRuns: RUNS, seed: SEED });
    console.log(`fuzz: ${guarantee}: ${RUNS} cases, FUZZ_SEED=${SEED}`, counts, `slowest ${slowestMs} ms`);
    for (const [label, share] of Object.entries(atLeast)) {
      expect((counts[label] ?? 0) / RUNS, `share of ${label}`).toBeGreaterThan(share);
    }
  });
}
