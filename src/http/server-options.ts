import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { type FastifyReply, type FastifyRequest, type FastifyServerOptions, LogController } from 'fastify';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { IamError } from '../errors.ts';
import { sendUiamError, toIamError, uiamErrorBody } from './error-rendering.ts';
import { requestIds } from './request-id.ts';

/** Idle connections outlive the idle time of usual load balancers. */
export const IDLE_MS = 72_000;

const LINGER_MS = 1_000;

/** What both servers tell Fastify: every limit and timeout written out. */
export function serverOptions(config: Config, logger: Logger): FastifyServerOptions {
  return {
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'http.request.id' }),
    genReqId: requestIds(),
    bodyLimit: config.BODY_LIMIT_BYTES,
    // A client has this long for a whole request.
    requestTimeout: 30_000,
    keepAliveTimeout: IDLE_MS,
    forceCloseConnections: 'idle',
    frameworkErrors: (error, request, reply) =>
      void sendUiamError(toIamError(error), request as FastifyRequest, reply as FastifyReply),
    clientErrorHandler: answerUnparsable,
    ...transport(config),
  } as FastifyServerOptions;
}

/** Whether the connection of a request carries a client certificate that verified (mTLS). */
export function hasClientCertificate(request: FastifyRequest): boolean {
  return (request.raw.socket as { authorized?: boolean }).authorized === true;
}

function transport(config: Config): object {
  // Node answers a request without Host itself, with an empty body; `uiamErrorResponses` refuses it in JSON instead.
  const requireHostHeader = false;
  if (config.TLS_CERT_FILE === undefined || config.TLS_KEY_FILE === undefined) {
    return { http: { requireHostHeader } };
  }
  const mutual = config.TLS_CLIENT_CA_FILE !== undefined;
  return {
    https: {
      requireHostHeader,
      cert: readFileSync(config.TLS_CERT_FILE),
      key: readFileSync(config.TLS_KEY_FILE),
      // Asked for, not demanded: external keys come without a certificate.
      requestCert: mutual,
      rejectUnauthorized: false,
      ...(config.TLS_CLIENT_CA_FILE === undefined ? {} : { ca: readFileSync(config.TLS_CLIENT_CA_FILE) }),
    },
  };
}

/** Answers bytes that are no HTTP request; there is no Fastify request to answer through. */
function answerUnparsable(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return;
  const refusal = new IamError('REQUEST_INVALID', {
    message: 'This is not a request that can be read as HTTP/1.1.',
  });
  const body = JSON.stringify(uiamErrorBody(refusal, 'unparsed'));
  socket.end(
    `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
  // Not at once: what the client still sends would reset the connection before it has read the answer.
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}
