import { type FastifyReply, type FastifyRequest, type FastifyServerOptions, LogController } from 'fastify';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { isLoopback } from '../lib/loopback.ts';
import { sendUiamError, toIamError } from './error-rendering.ts';
import { serverWith } from './node-server.ts';
import { requestIds } from './request-id.ts';
import { readTlsFiles } from './tls-files.ts';
import type { Traffic } from './traffic.ts';
import { UnparsableRequests } from './unparsable-requests.ts';
import type { PlainLane } from './wire/plain-lane.ts';

/** Longer than the idle timeout of common load balancers, so that the load balancer closes idle connections first. */
export const IDLE_MS = 72_000;

/** Time for a request head to arrive, for the first one since the connection began. */
export const HEAD_TIMEOUT_MS = 10_000;

/** Fastify options of both servers, with every limit and timeout explicit. @param lane serves plain requests, if any */
export function serverOptions(
  config: Config,
  logger: Logger,
  traffic: Traffic,
  lane?: PlainLane,
): FastifyServerOptions {
  warnAboutPlaintext(config, logger);
  return {
    serverFactory: serverWith(traffic, lane),
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'http.request.id' }),
    genReqId: requestIds(),
    bodyLimit: config.BODY_LIMIT_BYTES,
    // Time for a client to send a whole request. It must not end before that of `requestBodies`, which says what was late.
    requestTimeout: HEAD_TIMEOUT_MS + config.BODY_TIMEOUT_MS + 15_000,
    keepAliveTimeout: IDLE_MS,
    forceCloseConnections: 'idle',
    frameworkErrors: (error, request, reply) =>
      void sendUiamError(toIamError(error), request as FastifyRequest, reply as FastifyReply),
    clientErrorHandler: new UnparsableRequests(traffic.nodeConnections).refuse,
    ...transport(config),
  } as FastifyServerOptions;
}

function warnAboutPlaintext(config: Config, logger: Logger): void {
  if (config.TLS_CERT_FILE !== undefined || isLoopback(config.HOST) || config.ALLOW_PLAINTEXT) return;
  logger.warn(
    'clients send credentials unencrypted: HOST is not a loopback address, and TLS is off; set TLS_CERT_FILE and TLS_KEY_FILE, or ALLOW_PLAINTEXT=true behind a proxy or a mesh that encrypts',
  );
}

const refuseSchema = () => {
  throw new Error('the routes of this server have no schemas');
};

/** For servers whose routes have no JSON Schemas. Without it, Fastify loads two schema compilers: a hundred files. */
export const withoutSchemas = {
  schemaController: { compilersFactory: { buildValidator: refuseSchema, buildSerializer: refuseSchema } },
} as const satisfies FastifyServerOptions;

function transport(config: Config): object {
  // Node itself would refuse a request without Host, with an empty body. `uiamErrorResponses` refuses it in JSON.
  const requireHostHeader = false;
  // Node compares the ages of connections at this interval, by default 30 s.
  const common = { requireHostHeader, headersTimeout: HEAD_TIMEOUT_MS, connectionsCheckingInterval: 1_000 };
  const tls = readTlsFiles(config);
  if (tls === undefined) return { http: common };
  return {
    https: {
      ...common,
      ...tls,
      handshakeTimeout: HEAD_TIMEOUT_MS,
      // Optional: callers with external keys have no certificate.
      requestCert: tls.ca !== undefined,
      rejectUnauthorized: false,
    },
  };
}
