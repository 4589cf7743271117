import type { FastifyInstance } from 'fastify';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { BoundedVerifier } from '../keys/bounded-verifier.ts';
import type { Heartbeat } from './heartbeat.ts';

/** The metrics of the control plane. Labels are routes and statuses, never a key or an organization. */
export function controlPlaneMetrics(parts: { heartbeat: Heartbeat; verifier: BoundedVerifier }): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Counter({
    name: 'iam_heartbeat_failures_total',
    help: 'Heartbeats that the primary did not take.',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(parts.heartbeat.failures);
    },
  });
  new Gauge({
    name: 'iam_secrets_waiting',
    help: 'Secrets that wait to be verified.',
    registers: [registry],
    collect() {
      this.set(parts.verifier.load.waiting);
    },
  });
  return registry;
}

/** Counts and times every request of a server. */
export function measureRequests(app: FastifyInstance, registry: Registry): void {
  const duration = new Histogram({
    name: 'iam_control_plane_request_duration_seconds',
    help: 'Time from a request to its answer.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [registry],
  });
  app.addHook('onResponse', async (request, reply) => {
    duration.observe(
      {
        method: request.method,
        route: request.routeOptions.url ?? 'none',
        status: String(reply.statusCode),
      },
      reply.elapsedTime / 1_000,
    );
  });
}
