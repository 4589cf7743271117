import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { errorBody, IamError, RETRY_AFTER_SECONDS } from '../errors.ts';
import { QuarantinedKeyError } from '../keys/key-record.ts';
import { OverloadedError, StoreUnavailableError } from '../keys/key-store.ts';
import { ErrorLog } from './error-log.ts';
import { STATUS_CODES } from './node-http.ts';

/** Fastify's own refusals in our terms. */
const frameworkErrors: Record<string, () => IamError> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () => new IamError('BODY_TOO_LARGE'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () => new IamError('MEDIA_TYPE'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new IamError('REQUEST_INVALID', { message: 'The Content-Length header does not fit the body.' }),
};

/** Whatever was thrown, as an error of the registry. */
export function toIamError(error: unknown): IamError {
  if (error instanceof IamError) return error;
  if (error instanceof StoreUnavailableError) return new IamError('UNAVAILABLE', { cause: error });
  if (error instanceof OverloadedError) return new IamError('OVERLOADED', { cause: error });
  if (error instanceof QuarantinedKeyError) {
    return new IamError('KEY_QUARANTINED', { resource: error.keyId, cause: error });
  }
  const { code, statusCode } = error as { code?: string; statusCode?: number };
  const framework = frameworkErrors[code ?? ''];
  if (framework !== undefined) return framework();
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new IamError('REQUEST_INVALID', { cause: error });
  }
  return new IamError('INTERNAL', { cause: error });
}

/** A refusal as it goes over the wire, beside what every JSON answer has. */
export interface Refusal {
  status: number;
  /** Reason phrase of the status line. */
  reason: string;
  headers: Record<string, string>;
  /** JSON. */
  body: string;
}

/** How an error of the registry is answered. */
export function refusalOf(error: IamError, requestId: string): Refusal {
  const { status } = error.row;
  return {
    status,
    reason: STATUS_CODES[status] ?? '',
    headers: {
      ...(status === 503 && { 'retry-after': String(RETRY_AFTER_SECONDS) }),
      ...(status === 401 && { 'www-authenticate': 'ApiKey' }),
    },
    body: JSON.stringify(errorBody(error, requestId)),
  };
}

/** Answers an error of the registry. */
export function sendError(error: IamError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, headers, body } = refusalOf(error, request.id);
  return reply.code(status).headers(headers).type('application/json; charset=utf-8').send(body);
}

/** Turns errors into answers and log lines. */
export const errorRendering = fp<{ errorLog?: ErrorLog }>(
  async (app, { errorLog = new ErrorLog(app.log, Date.now) }) => {
    // RFC 9112, 3.2: a request of HTTP/1.1 names its host, or is refused.
    app.addHook('onRequest', async (request) => {
      if (request.headers.host === undefined && request.raw.httpVersion !== '1.0') {
        throw new IamError('REQUEST_INVALID', { message: 'The Host header is missing.' });
      }
    });
    app.setErrorHandler((thrown, request, reply) => {
      const error = toIamError(thrown);
      errorLog.note(error, request.id, request.headers);
      return sendError(error, request, reply);
    });
    app.setNotFoundHandler((request, reply) => sendError(new IamError('NOT_FOUND'), request, reply));
  },
  { name: 'error-rendering' },
);
