import { Counter, type Registry } from 'prom-client';
import { type Outcome, REFUSALS } from '../authentication-metrics.ts';

/** Counts the calls that a region forwards, by outcome. */
export function forwardedCallsCounter(registry: Registry): Counter<'outcome'> {
  const counter = new Counter({
    name: 'iam_forwarded_calls_total',
    help: 'Calls for the control plane by outcome. unavailable: the control plane does not respond, or too many calls wait for it.',
    labelNames: ['outcome'] as const,
    registers: [registry],
  });
  // Series exist from the start: `rate` ignores the first value of a new one.
  for (const outcome of ['granted', ...REFUSALS] satisfies Outcome[]) counter.inc({ outcome }, 0);
  return counter;
}
