import type { FastifyReply } from 'fastify';
import fp from 'fastify-plugin';
import { IamError } from '../../errors.ts';
import type { ErrorLog } from '../../http/error-log.ts';
import { type OnRefusal, toIamError } from '../../http/error-rendering.ts';

/** Headers of every response of the APIs: none may be cached or interpreted as another type. */
export const API_HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/** Sends an error in the format of the Elastic Cloud API. */
export function sendCloudError(error: IamError, reply: FastifyReply): FastifyReply {
  const { code, status } = error.cloud;
  if (error.retryAfterSeconds !== undefined) reply.header('retry-after', String(error.retryAfterSeconds));
  if (status === 401) reply.header('www-authenticate', 'ApiKey');
  return reply
    .code(status)
    .headers({ ...API_HEADERS, 'x-cloud-error-codes': code })
    .type('application/json; charset=utf-8')
    .send({ errors: error.problems.map((problem) => ({ code, ...problem })) });
}

/** Renders and logs all errors of `/api/v1`. */
export const cloudErrorResponses = fp<{ errorLog: ErrorLog; onRefusal: OnRefusal }>(
  async (app, { errorLog, onRefusal }) => {
    app.setErrorHandler(async (thrown, request, reply) => {
      const error = toIamError(thrown);
      errorLog.write(error, request.id, request.headers);
      await onRefusal(request, error);
      return sendCloudError(error, reply);
    });
    app.setNotFoundHandler((_request, reply) => sendCloudError(new IamError('NOT_FOUND'), reply));
  },
  { name: 'cloud-error-responses' },
);
