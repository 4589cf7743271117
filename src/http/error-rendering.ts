import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { QuarantinedKeyError } from '../keys/key-record.ts';
import { OverloadedError, StoreUnavailableError } from '../keys/key-store.ts';
import { callerFields } from './caller-fields.ts';
import { errorBody, IamError, RETRY_AFTER_SECONDS } from './errors.ts';
import { LogLimiter } from './log-limiter.ts';

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

/** Answers an error of the registry, always JSON. */
export function sendError(error: IamError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error.row.status === 503) reply.header('retry-after', String(RETRY_AFTER_SECONDS));
  if (error.row.status === 401) reply.header('www-authenticate', 'ApiKey');
  return reply
    .code(error.row.status)
    .type('application/json; charset=utf-8')
    .send(errorBody(error, request.id));
}

/** The one place where errors become answers and log lines. */
export const errorRendering = fp(
  async (app) => {
    const limiter = new LogLimiter(Date.now);
    // RFC 9112, 3.2: a request of HTTP/1.1 names its host, or is refused.
    app.addHook('onRequest', async (request) => {
      if (request.headers.host === undefined && request.raw.httpVersion !== '1.0') {
        throw new IamError('REQUEST_INVALID', { message: 'The Host header is missing.' });
      }
    });
    app.setErrorHandler((thrown, request, reply) => {
      const error = toIamError(thrown);
      const fields = { 'error.code': error.row.code, ...callerFields(request.headers) };
      if (error.row.status >= 500) {
        const suppressed = limiter.admit(`${error.row.code} ${error.resource ?? ''}`);
        if (suppressed !== undefined) {
          request.log.error(
            { err: error.cause ?? error, ...fields, reason: deepestMessage(error), suppressed },
            error.row.message,
          );
        }
      } else {
        request.log.debug({ ...fields, resource: error.resource }, error.message);
      }
      return sendError(error, request, reply);
    });
    app.setNotFoundHandler((request, reply) => sendError(new IamError('NOT_FOUND'), request, reply));
  },
  { name: 'error-rendering' },
);

/** What was wrong at the bottom of it: "the password is wrong" says more than "Postgres did not answer". */
function deepestMessage(error: Error): string {
  return error.cause instanceof Error ? deepestMessage(error.cause) : error.message;
}
