import type { FastifyInstance } from 'fastify';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { registerSlotMetrics, type SlotWatch } from './slot-watch.ts';

/** Sources of the values that are read at each scrape. */
export interface MetricSources {
  heartbeat: { failures: number };
  clock: { readonly offsetMs: number | undefined };
  digests: { failures: number };
  slots: Pick<SlotWatch, 'current'>;
  repairs: { published: number; failures: number };
  verifier: { load: { running: number; waiting: number } };
}

/** The metrics of the control plane. No label contains a key or an organization. */
export class ControlPlaneMetrics {
  readonly #requests: Histogram<'method' | 'route' | 'status'>;
  readonly expiryNotices: Counter<'days'>;
  readonly webhookDeliveries: Counter<'outcome'>;
  readonly forwardedRequests: Counter<'result'>;

  constructor(registry: Registry, sources: MetricSources) {
    const registers = [registry];
    this.#requests = new Histogram({
      name: 'iam_control_plane_request_duration_seconds',
      help: 'Duration of requests to the control plane, from the request to the end of its response.',
      labelNames: ['method', 'route', 'status'] as const,
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    });
    this.expiryNotices = new Counter({
      name: 'iam_key_expiry_notices_total',
      help: 'Expiry notices issued, by the days before expiration.',
      labelNames: ['days'] as const,
      registers,
    });
    this.webhookDeliveries = new Counter({
      name: 'iam_expiry_webhook_deliveries_total',
      help: 'Attempts to deliver an expiry notice to the webhook, by outcome.',
      labelNames: ['outcome'] as const,
      registers,
    });
    this.forwardedRequests = new Counter({
      name: 'iam_forwarded_requests_total',
      help: 'Requests of regions, by whether FORWARDING_SECRETS contains their secret: accepted or refused.',
      labelNames: ['result'] as const,
      registers,
    });
    // Series exist from the start: `rate` ignores the first value of a new one.
    for (const result of ['accepted', 'refused']) this.forwardedRequests.inc({ result }, 0);
    for (const outcome of ['success', 'failure']) this.webhookDeliveries.inc({ outcome }, 0);
    new Counter({
      name: 'iam_heartbeat_failures_total',
      help: 'Failed heartbeat writes.',
      registers,
      collect() {
        this.reset();
        this.inc(sources.heartbeat.failures);
      },
    });
    new Counter({
      name: 'iam_digest_failures_total',
      help: 'Failed attempts to publish the digests that regions compare with their rows.',
      registers,
      collect() {
        this.reset();
        this.inc(sources.digests.failures);
      },
    });
    new Counter({
      name: 'iam_repairs_total',
      help: 'Repairs of buckets that differ in a region, by result: published, or failed attempts.',
      labelNames: ['result'] as const,
      registers,
      collect() {
        this.reset();
        this.inc({ result: 'published' }, sources.repairs.published);
        this.inc({ result: 'failed' }, sources.repairs.failures);
      },
    });
    new Gauge({
      name: 'iam_clock_offset_seconds',
      help: "Difference of the control plane's clock from the primary's; positive if the control plane is ahead.",
      registers,
      collect() {
        this.set((sources.clock.offsetMs ?? Number.NaN) / 1_000);
      },
    });
    new Gauge({
      name: 'iam_control_plane_argon2_running',
      help: 'Argon2 verifications in progress.',
      registers,
      collect() {
        this.set(sources.verifier.load.running);
      },
    });
    new Gauge({
      name: 'iam_control_plane_argon2_waiting',
      help: 'Argon2 verifications waiting in the queue.',
      registers,
      collect() {
        this.set(sources.verifier.load.waiting);
      },
    });
    registerSlotMetrics(registry, sources.slots);
  }

  /** Measures the duration of every request of a server. */
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
