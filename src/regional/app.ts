import fastify, { type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { Counter } from 'prom-client';
import type { Config } from '../config.ts';
import { IamError } from '../errors.ts';
import { clientConnections } from '../http/client-connections.ts';
import { ErrorLog } from '../http/error-log.ts';
import { refuseMethod, uiamErrorResponses } from '../http/error-rendering.ts';
import { jsonBytes } from '../http/json-bytes.ts';
import { requestBodies } from '../http/request-bodies.ts';
import { senderAddress } from '../http/sender-address.ts';
import { HEAD_TIMEOUT_MS, IDLE_MS, serverOptions, withoutSchemas } from '../http/server-options.ts';
import { tlsReload } from '../http/tls-reload.ts';
import type { Traffic } from '../http/traffic.ts';
import { TICK_MS } from '../http/wire/plain-connection.ts';
import { PlainLane } from '../http/wire/plain-lane.ts';
import { PlainRequestReader } from '../http/wire/plain-request.ts';
import { ResponseHead } from '../http/wire/response-head.ts';
import type { ClientAuthentication } from '../keys/client-authentication.ts';
import type { KeyArrival } from '../keys/key-arrival.ts';
import { QuarantinedKeyError } from '../keys/key-record.ts';
import { AUTHENTICATE_PATH } from './authentication-call.ts';
import { type AuthenticationMetrics, outcomeOf } from './authentication-metrics.ts';
import { authenticationRoute } from './authentication-route.ts';
import type { AuthenticationService } from './authentication-service.ts';
import type { RegionControlPlane } from './control-plane.ts';
import { FastLane } from './fast-lane.ts';
import { methodsOf } from './forwarding/forwarded-calls.ts';
import { RequestLimit } from './request-limit.ts';

/** A body with 1,000 contexts and usual names fits; a longer body goes through node:http. */
const MAX_PLAIN_BODY_BYTES = 262_144;

export interface RegionalAppDeps {
  arrival: KeyArrival;
  service: AuthenticationService;
  clientAuthentication: ClientAuthentication;
  metrics: AuthenticationMetrics;
  forwardedCalls: Counter<'outcome'>;
  traffic: Traffic;
  /** Serves the calls of keys; `undefined` if the region has none. */
  controlPlane: RegionControlPlane | undefined;
}

/** Builds the HTTP application of the regional service; `deps` has all behaviour. */
export async function createRegionalApp(
  config: Config,
  logger: Logger,
  deps: RegionalAppDeps,
): Promise<FastifyInstance> {
  const { service, metrics, traffic, controlPlane } = deps;
  const { addresses } = traffic;
  const errorLog = new ErrorLog(logger, Date.now);
  const limit = new RequestLimit(config.REGIONAL_RATE_LIMIT_PER_MINUTE, traffic, Date.now);
  const fastLane = new FastLane(service, metrics, errorLog, addresses, limit);
  const lane = new PlainLane({
    reader: new PlainRequestReader(
      AUTHENTICATE_PATH,
      Math.min(config.BODY_LIMIT_BYTES, MAX_PLAIN_BODY_BYTES),
    ),
    head: new ResponseHead(Date.now, IDLE_MS),
    idleTicks: IDLE_MS / TICK_MS,
    headTicks: HEAD_TIMEOUT_MS / TICK_MS,
    addresses,
    certificates: traffic.certificates,
    ages: traffic.ages,
    bodies: traffic.bodies,
    admits: (headers, connection) => fastLane.admits(headers, connection),
    respond: (request, connection) => fastLane.respond(request, connection),
  });
  const app = fastify({
    ...serverOptions(config, logger, traffic, config.FAST_LANE ? lane : undefined),
    ...withoutSchemas,
  } as object) as FastifyInstance;
  await app.register(uiamErrorResponses, { errorLog });
  await app.register(senderAddress, { addresses });
  await app.register(tlsReload, {
    config,
    logger,
    certificateExpiry: traffic.certificateExpiry,
    crlExpiry: traffic.crlExpiry,
  });
  await app.register(requestBodies, {
    timeoutMs: config.BODY_TIMEOUT_MS,
    traffic,
  });
  await app.register(clientConnections, traffic);
  await app.register(jsonBytes);
  // Before the body is read.
  app.addHook('onRequest', async (request, reply) => {
    const limited = limit.refuse(request.senderNetwork);
    if (limited !== undefined) throw limited;
    if (!request.is404) return;
    const [path = ''] = request.url.split('?', 1);
    const methods = path === AUTHENTICATE_PATH ? 'POST' : controlPlane && methodsOf(path);
    if (methods === undefined) throw new IamError('NOT_FOUND');
    refuseMethod(reply, methods);
  });
  app.addHook('preClose', async () => lane.close());
  app.addHook('onError', async (_request, _reply, error) => {
    if (error instanceof QuarantinedKeyError) metrics.observeQuarantined(error.column);
  });
  app.addHook('onResponse', async (request, reply) => {
    if (request.routeOptions.url !== AUTHENTICATE_PATH) return;
    metrics.observe(outcomeOf(reply.statusCode), reply.tier, reply.elapsedTime / 1_000);
  });
  authenticationRoute(app, service);
  if (controlPlane !== undefined) {
    // Imported on demand: its HTTP client takes as long to load as Fastify.
    const { forwarding } = await import('./forwarding/forwarding.ts');
    if (controlPlane.secret() === undefined) {
      logger.warn(
        'FORWARDING_SECRETS is unset; the control plane counts all clients of this region as one address',
      );
    }
    await app.register(
      forwarding({
        controlPlane,
        proofs: {
          acceptedPrefixes: config.ACCEPTED_CREDENTIAL_PREFIXES,
          clientAuthentication: deps.clientAuthentication,
        },
        arrival: deps.arrival,
        budget: traffic.responses,
        calls: deps.forwardedCalls,
      }),
    );
  }
  return app;
}
