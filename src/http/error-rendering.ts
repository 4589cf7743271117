import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { IamError } from '../errors.ts';
import { QuarantinedKeyError } from '../keys/key-record.ts';
import {
  OutdatedRowError,
  OverloadedError,
  StoreOverloadedError,
  StoreUnavailableError,
} from '../keys/key-store.ts';
import { ErrorLog } from './error-log.ts';
import { STATUS_CODES } from './node-http.ts';

/** Fastify's own errors, as rows of the registry. */
const frameworkErrors: Record<string, () => IamError> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () => new IamError('BODY_TOO_LARGE'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () => new IamError('MEDIA_TYPE'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new IamError('REQUEST_INVALID', { message: 'The Content-Length header does not match the body.' }),
};

/** Maps any thrown value to an error of the registry. */
export function toIamError(error: unknown): IamError {
  if (error instanceof IamError) return error;
  if (error instanceof StoreUnavailableError) return new IamError('UNAVAILABLE', { cause: error });
  if (error instanceof OutdatedRowError) return new IamError('REPLICA_UNCONFIRMED', { cause: error });
  if (error instanceof StoreOverloadedError) return new IamError('STORE_OVERLOADED', { cause: error });
  if (error instanceof OverloadedError) {
    const { retryAfterSeconds } = error;
    return new IamError('OVERLOADED', { cause: error, ...(retryAfterSeconds && { retryAfterSeconds }) });
  }
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

/** The JSON body of an error of the UIAM calls. */
export function uiamErrorBody({ uiam, message, resource }: IamError, requestId: string) {
  return { request_id: requestId, error: { code: uiam.code, message, resource, type: uiam.type } };
}

/** A UIAM error as it goes over the wire, without the headers of every JSON response. */
export interface Refusal {
  status: number;
  /** Reason phrase of the status line. */
  reason: string;
  headers: Record<string, string>;
  /** JSON. */
  body: string;
}

export function refusalOf(error: IamError, requestId: string): Refusal {
  const { status } = error.uiam;
  return {
    status,
    reason: STATUS_CODES[status] ?? '',
    headers: {
      ...(error.retryAfterSeconds !== undefined && { 'retry-after': String(error.retryAfterSeconds) }),
      ...(status === 401 && { 'www-authenticate': 'ApiKey' }),
    },
    body: JSON.stringify(uiamErrorBody(error, requestId)),
  };
}

/** Sends an error in the format of the UIAM calls. */
export function sendUiamError(error: IamError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, headers, body } = refusalOf(error, request.id);
  return reply.code(status).headers(headers).type('application/json; charset=utf-8').send(body);
}

/** Refuses a method that the path does not have (RFC 9110, 15.5.6). @param allow those that it has @throws {IamError} 405 */
export function refuseMethod(reply: FastifyReply, allow: string): never {
  reply.header('allow', allow);
  throw new IamError('METHOD_NOT_ALLOWED');
}

/** Called with every failed request, before its response. Must not reject. */
export type OnRefusal = (request: FastifyRequest, error: IamError) => Promise<void>;

/** Renders and logs all errors in the format of the UIAM calls. */
export const uiamErrorResponses = fp<{ errorLog?: ErrorLog; onRefusal?: OnRefusal }>(
  async (app, { errorLog = new ErrorLog(app.log, Date.now), onRefusal }) => {
    // RFC 9112, 3.2: a server refuses an HTTP/1.1 request without Host.
    app.addHook('onRequest', async (request) => {
      if (request.headers.host === undefined && request.raw.httpVersion !== '1.0') {
        throw new IamError('REQUEST_INVALID', { message: 'The Host header is missing.' });
      }
    });
    app.setErrorHandler(async (thrown, request, reply) => {
      const error = toIamError(thrown);
      errorLog.write(error, request.id, request.headers);
      await onRefusal?.(request, error);
      return sendUiamError(error, request, reply);
    });
    app.setNotFoundHandler((request, reply) => sendUiamError(new IamError('NOT_FOUND'), request, reply));
  },
  { name: 'uiam-error-responses' },
);
