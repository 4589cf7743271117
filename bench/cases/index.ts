import type { Bench } from '../lib/bench.ts';
import type { Row } from '../lib/row.ts';

/** A comparison that can be run by its name. */
export interface BenchCase {
  summary: string;
  load: () => Promise<(bench: Bench) => Promise<Row[]>>;
}

/** All cases, in the order in which they run. */
export const cases: Record<string, BenchCase> = {
  warm: {
    summary: 'memory hit against a bare Fastify route that sends the same bytes',
    load: async () => (await import('./warm.ts')).warm,
  },
};
