import fastify, { type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { errorRendering } from '../http/error-rendering.ts';
import { jsonBytes } from '../http/json-bytes.ts';
import { serverWith } from '../http/node-server.ts';
import { serverOptions } from '../http/server-options.ts';
import { QuarantinedKeyError } from '../keys/key-record.ts';
import { type AuthenticationMetrics, outcomeOf } from './authentication-metrics.ts';
import { authenticationRoute } from './authentication-route.ts';
import type { AuthenticationService } from './authentication-service.ts';
import type { FastLane } from './fast-lane.ts';

/** What the HTTP face shows. */
export interface RegionalAppParts {
  service: AuthenticationService;
  fastLane: FastLane;
  metrics: AuthenticationMetrics;
}

/** The HTTP face of the regional service; what it does is in the objects it is given. */
export async function regionalApp(
  config: Config,
  logger: Logger,
  parts: RegionalAppParts,
): Promise<FastifyInstance> {
  const { service, fastLane, metrics } = parts;
  const app = fastify({
    ...serverOptions(config, logger),
    serverFactory: serverWith((next) => fastLane.before(next)),
  } as object) as FastifyInstance;
  await app.register(errorRendering);
  await app.register(jsonBytes);
  app.addHook('preClose', async () => {
    fastLane.closed = true;
  });
  app.addHook('onError', async (_request, _reply, error) => {
    if (error instanceof QuarantinedKeyError) metrics.observeQuarantined(error.column);
  });
  app.addHook('onResponse', async (_request, reply) =>
    metrics.observe(outcomeOf(reply.statusCode), reply.tier, reply.elapsedTime / 1_000),
  );
  authenticationRoute(app, service);
  if (config.CONTROL_PLANE_URL !== undefined) {
    // Loaded only where it is used: its HTTP client takes as long to load as Fastify.
    const { forwarding } = await import('./forwarding.ts');
    await app.register(forwarding(config.CONTROL_PLANE_URL));
  }
  return app;
}
