import type { FastifyInstance, FastifyReply } from 'fastify';
import type { IamError } from '../../errors.ts';
import type { ErrorLog } from '../../http/error-log.ts';
import { type OnRefusal, toIamError } from '../../http/error-rendering.ts';
import { API_HEADERS } from './error-responses.ts';

/** The exception types that Elasticsearch uses for these statuses. */
const TYPES: Readonly<Record<number, string>> = {
  400: 'action_request_validation_exception',
  401: 'security_exception',
  403: 'security_exception',
  415: 'media_type_header_exception',
  429: 'es_rejected_execution_exception',
};

/** Renders and logs the errors of routes in the format of Elasticsearch: for clients that were written for it. */
export function elasticsearchErrors(
  app: FastifyInstance,
  { errorLog, onRefusal }: { errorLog: ErrorLog; onRefusal: OnRefusal },
): void {
  app.setErrorHandler(async (thrown, request, reply) => {
    const error = toIamError(thrown);
    errorLog.write(error, request.id, request.headers);
    await onRefusal(request, error);
    return sendElasticsearchError(error, reply);
  });
  // The official clients refuse a server without this header.
  app.addHook(
    'onRequest',
    async (_request, reply) => void reply.header('x-elastic-product', 'Elasticsearch'),
  );
}

function sendElasticsearchError(error: IamError, reply: FastifyReply): FastifyReply {
  const { status } = error.cloud;
  if (error.retryAfterSeconds !== undefined) reply.header('retry-after', String(error.retryAfterSeconds));
  if (status === 401) reply.header('www-authenticate', 'ApiKey');
  const type = error.reason === 'BODY_INVALID' ? 'x_content_parse_exception' : (TYPES[status] ?? 'exception');
  // A role that a client deletes and that does not exist is a result, not an error.
  if (error.reason === 'ROLE_NOT_FOUND') return reply.code(404).send({ found: false });
  const cause = { type, reason: reasonOf(error) };
  return reply
    .code(status)
    .headers(API_HEADERS)
    .type('application/json; charset=utf-8')
    .send({ error: { root_cause: [cause], ...cause }, status });
}

/** Elasticsearch numbers the problems of a request. */
function reasonOf(error: IamError): string {
  const [first, ...others] = error.problems.map(({ message }) => message);
  if (first === undefined || others.length === 0) return first ?? error.message;
  return `Validation Failed: ${[first, ...others].map((message, at) => `${at + 1}: ${message};`).join('')}`;
}
