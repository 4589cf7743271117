import { Counter, Histogram, type Registry } from 'prom-client';
import type { Tier } from '../keys/key-store.ts';

/** Results of a call; a metric label, so the set is bounded. `invalid` is any other 4xx, `error` any other 5xx. */
export const REFUSALS = ['denied', 'unauthenticated', 'limited', 'invalid', 'unavailable', 'error'] as const;
export type Outcome = 'granted' | (typeof REFUSALS)[number];

const outcomesByStatus: Record<number, Outcome> = {
  401: 'unauthenticated',
  403: 'denied',
  429: 'limited',
  503: 'unavailable',
};

const TIERS: readonly (Tier | 'none')[] = ['none', 'memory', 'redis', 'postgres'];

/** Maps an HTTP status to its outcome. */
export function outcomeOf(status: number): Outcome {
  if (status < 400) return 'granted';
  return outcomesByStatus[status] ?? (status < 500 ? 'invalid' : 'error');
}

const BUCKETS_SECONDS = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
];

/** Metrics of `_authenticate`. */
export class AuthenticationMetrics {
  readonly #requests: Counter<'outcome' | 'tier'>;
  readonly #duration: Histogram;
  readonly #quarantined: Counter<'column'>;
  /** Granted calls by tier that are not in the counter yet. */
  readonly #granted: Record<Tier, number> = { memory: 0, redis: 0, postgres: 0 };

  constructor(registry: Registry) {
    const drain = () => this.#drainGranted();
    this.#requests = new Counter({
      name: 'iam_authentication_requests_total',
      help: 'Calls of _authenticate by outcome and by the slowest tier that the response needed.',
      labelNames: ['outcome', 'tier'],
      registers: [registry],
      collect: drain,
    });
    // Series exist from the start: `rate` ignores the first value of a new one.
    for (const outcome of REFUSALS) for (const tier of TIERS) this.#requests.inc({ outcome, tier }, 0);
    this.#duration = new Histogram({
      name: 'iam_authentication_duration_seconds',
      help: 'Time from the end of the request head to the response.',
      buckets: BUCKETS_SECONDS,
      registers: [registry],
    });
    this.#quarantined = new Counter({
      name: 'iam_quarantined_keys_total',
      help: 'Calls refused because the stored row of their key does not parse, by column.',
      labelNames: ['column'],
      registers: [registry],
    });
  }

  /** Counts a call with a quarantined key (its row does not parse). */
  observeQuarantined(column: string): void {
    this.#quarantined.inc({ column });
  }

  /** @param durationSeconds from the arrival of the request to its response */
  observe(outcome: Outcome, tier: Tier | 'none', durationSeconds: number): void {
    if (outcome === 'granted' && tier !== 'none') this.#granted[tier] += 1;
    else this.#requests.inc({ outcome, tier });
    this.#duration.observe(durationSeconds);
  }

  /** Counts a call that was granted from memory. This is the hot path and allocates nothing. */
  observeMemoryHit(durationMs: number): void {
    this.#granted.memory += 1;
    this.#duration.observe(durationMs / 1_000);
  }

  #drainGranted(): void {
    for (const tier of ['memory', 'redis', 'postgres'] as const) {
      this.#requests.inc({ outcome: 'granted', tier }, this.#granted[tier]);
      this.#granted[tier] = 0;
    }
  }
}
