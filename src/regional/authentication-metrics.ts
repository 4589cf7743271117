import { Counter, Histogram, type Registry } from 'prom-client';
import type { Tier } from '../keys/key-store.ts';

/** What became of a call; bounded, since it is a label. */
export type Outcome = 'granted' | 'denied' | 'unauthenticated' | 'invalid' | 'unavailable' | 'error';

const outcomesByStatus: Record<number, Outcome> = {
  400: 'invalid',
  401: 'unauthenticated',
  403: 'denied',
  413: 'invalid',
  415: 'invalid',
  500: 'error',
  503: 'unavailable',
};

/** The outcome that a status stands for. */
export function outcomeOf(status: number): Outcome {
  return outcomesByStatus[status] ?? (status < 400 ? 'granted' : 'error');
}

const BUCKETS_SECONDS = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
];

/** Metrics of `_authenticate`. */
export class AuthenticationMetrics {
  readonly #requests: Counter<'outcome' | 'tier'>;
  readonly #duration: Histogram;
  readonly #quarantined: Counter<'column'>;
  /** Granted calls by tier that the counter has not been told of yet. */
  readonly #granted: Record<Tier, number> = { memory: 0, redis: 0, postgres: 0 };

  constructor(registry: Registry) {
    const drain = () => this.#drainGranted();
    this.#requests = new Counter({
      name: 'iam_authentication_requests_total',
      help: 'Calls to _authenticate by outcome and by the slowest place the answer needed.',
      labelNames: ['outcome', 'tier'],
      registers: [registry],
      collect: drain,
    });
    this.#duration = new Histogram({
      name: 'iam_authentication_duration_seconds',
      help: 'Time from the end of the request headers to the answer.',
      buckets: BUCKETS_SECONDS,
      registers: [registry],
    });
    this.#quarantined = new Counter({
      name: 'iam_quarantined_keys_total',
      help: 'Calls refused because the stored row of their key is broken, by the column that is.',
      labelNames: ['column'],
      registers: [registry],
    });
  }

  /** A call with a key whose row does not parse. */
  observeQuarantined(column: string): void {
    this.#quarantined.inc({ column });
  }

  /** @param durationSeconds from the arrival of the request to its answer */
  observe(outcome: Outcome, tier: Tier | 'none', durationSeconds: number): void {
    if (outcome === 'granted' && tier !== 'none') this.#granted[tier] += 1;
    else this.#requests.inc({ outcome, tier });
    this.#duration.observe(durationSeconds);
  }

  /** A call that was granted from memory; the hot path, so nothing is allocated here. */
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
