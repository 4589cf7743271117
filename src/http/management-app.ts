import fastify, { type FastifyInstance, LogController } from 'fastify';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { uiamErrorResponses } from './error-rendering.ts';
import type { HealthState } from './health.ts';
import { withoutSchemas } from './without-schemas.ts';

/**
 * The port that clients never see: Kubernetes probes and Prometheus metrics.
 *
 * `/livez` says that the event loop turns, `/startupz` that the process could answer once, `/readyz` that it can
 * answer now. Redis or the primary being away is no reason to be unready: authentication goes on without them.
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
    if (obstacles.length === 0 && health.started) return { status: 'ok' };
    return reply.code(503).send({ status: 'unready', obstacles });
  });
  app.get('/metrics', async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  );
  return app;
}
