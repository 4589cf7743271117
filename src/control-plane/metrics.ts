import type { FastifyInstance } from 'fastify';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What the metrics look at when they are asked for. */
export interface Observed {
  heartbeat: { failures: number };
  verifier: { load: { running: number; waiting: number } };
}

/** The metrics of the control plane. Labels are routes, statuses and days: never a key or an organization. */
export class ControlPlaneMetrics {
  readonly #requests: Histogram<'method' | 'route' | 'status'>;
  /** Warnings about keys that expire soon, by the days that were left. */
  readonly expiryNotices: Counter<'days'>;
  /** Attempts to tell the webhook of a warning. */
  readonly webhookDeliveries: Counter<'outcome'>;

  constructor(registry: Registry, observed: Observed) {
    const registers = [registry];
    this.#requests = new Histogram({
      name: 'iam_control_plane_request_duration_seconds',
      help: 'Time from a request to its answer.',
      labelNames: ['method', 'route', 'status'] as const,
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    });
    this.expiryNotices = new Counter({
      name: 'iam_key_expiry_notices_total',
      help: 'Warnings about keys that expire soon, by the days that are left.',
      labelNames: ['days'] as const,
      registers,
    });
    this.webhookDeliveries = new Counter({
      name: 'iam_expiry_webhook_deliveries_total',
      help: 'Attempts to tell the webhook of a warning, by outcome.',
      labelNames: ['outcome'] as const,
      registers,
    });
    new Counter({
      name: 'iam_heartbeat_failures_total',
      help: 'Heartbeats that the primary did not take.',
      registers,
      collect() {
        this.reset();
        this.inc(observed.heartbeat.failures);
      },
    });
    new Gauge({
      name: 'iam_control_plane_argon2_running',
      help: 'Secrets being compared.',
      registers,
      collect() {
        this.set(observed.verifier.load.running);
      },
    });
    new Gauge({
      name: 'iam_control_plane_argon2_waiting',
      help: 'Secrets waiting to be compared.',
      registers,
      collect() {
        this.set(observed.verifier.load.waiting);
      },
    });
  }

  /** Counts and times every request of a server. */
  measure(app: FastifyInstance): void {
    app.addHook('onResponse', async (request, reply) => {
      this.#requests.observe(
        {
          method: request.method,
          route: request.routeOptions.url ?? 'none',
          status: String(reply.statusCode),
        },
        reply.elapsedTime / 1_000,
      );
    });
  }
}
