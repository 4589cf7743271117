import fastify, { type FastifyInstance, LogController } from 'fastify';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { uiamErrorResponses } from './error-rendering.ts';
import { withoutSchemas } from './server-options.ts';

/** What the probes report about a process. */
export interface HealthState {
  /** The process has been able to serve requests at least once. */
  started: boolean;
  /** The process is shutting down and must get no new traffic. */
  closing: boolean;
  /** Reasons why the process cannot serve requests now; empty if it can. */
  obstacles(): readonly string[];
  /** Further fields of the response of /readyz. */
  details?(): Readonly<Record<string, unknown>>;
}

/**
 * Serves Kubernetes probes and Prometheus metrics, on a port that clients never reach.
 *
 * `/livez`: the event loop responds. `/startupz`: the process has been able to serve requests once. `/readyz`: it can
 * serve requests now. An outage of Redis or the primary does not affect readiness, because authentication does not need them.
 */
export async function createManagementApp(options: {
  health: HealthState;
  registry: Registry;
  logger: Logger;
}): Promise<FastifyInstance> {
  const { health, registry } = options;
  const app = fastify({
    ...withoutSchemas,
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
  }) as unknown as FastifyInstance;
  await app.register(uiamErrorResponses);

  app.get('/livez', async () => ({ status: 'ok' }));
  app.get('/startupz', async (_request, reply) =>
    health.started
      ? { status: 'ok' }
      : reply.code(503).send({ status: 'starting', obstacles: health.obstacles() }),
  );
  app.get('/readyz', async (_request, reply) => {
    const obstacles = health.closing ? ['closing'] : health.obstacles();
    const details = health.details?.() ?? {};
    if (obstacles.length === 0 && health.started) return { status: 'ok', ...details };
    return reply.code(503).send({ status: 'unready', obstacles, ...details });
  });
  app.get('/metrics', async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  );
  return app;
}
