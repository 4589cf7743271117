import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { type ErrorName, IamError, RETRY_AFTER_SECONDS } from '../../errors.ts';
import { toIamError } from '../../http/error-rendering.ts';
import { ApiError, type ApiErrorName } from '../errors.ts';

/** What errors of the shared code are called in the Elastic Cloud API. */
const names: Partial<Record<ErrorName, ApiErrorName>> = {
  API_KEY_MISSING: 'UNAUTHENTICATED',
  API_KEY_EXPIRED: 'UNAUTHENTICATED',
  API_KEY_REVOKED: 'UNAUTHENTICATED',
  CLIENT_AUTHENTICATION: 'UNAUTHENTICATED',
  CREDENTIAL_UNDECODABLE: 'UNAUTHENTICATED',
  AUTHORIZATION_DENIED: 'PERMISSION_DENIED',
  REQUEST_INVALID: 'BODY_INVALID',
  NOT_FOUND: 'NOT_FOUND',
  BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  MEDIA_TYPE: 'MEDIA_TYPE',
  OVERLOADED: 'UNAVAILABLE',
  UNAVAILABLE: 'UNAVAILABLE',
  KEY_QUARANTINED: 'UNAVAILABLE',
};

/** These say more than the row they become, and nothing that the caller may not know. */
const speaking: ReadonlySet<ErrorName> = new Set([
  'API_KEY_EXPIRED',
  'API_KEY_REVOKED',
  'API_KEY_MISSING',
  'CLIENT_AUTHENTICATION',
  'CREDENTIAL_UNDECODABLE',
  'KEY_QUARANTINED',
]);

/** Whatever was thrown, as an error of the `/api/v1` registry. */
function toApiError(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  const error = toIamError(thrown);
  const name = names[error.reason] ?? 'INTERNAL';
  return new ApiError(name, {
    ...(speaking.has(error.reason) && { message: error.message }),
    cause: error.cause ?? thrown,
  });
}

/** Answers an error in the shape of the Elastic Cloud API. */
function sendApiError(error: ApiError, reply: FastifyReply): FastifyReply {
  const { code, status } = error.row;
  if (status === 503) reply.header('retry-after', String(RETRY_AFTER_SECONDS));
  if (status === 401) reply.header('www-authenticate', 'ApiKey');
  return reply
    .code(status)
    .header('x-cloud-error-codes', code)
    .type('application/json; charset=utf-8')
    .send({ errors: error.problems.map((problem) => ({ code, ...problem })) });
}

/** The one place where errors of `/api/v1` become answers and log lines. */
export const apiErrorResponses = fp(
  async (app) => {
    app.setErrorHandler((thrown, request, reply) => {
      const error = toApiError(thrown);
      logRefusal(request, error.row.status, error.row.code, error);
      return sendApiError(error, reply);
    });
    app.setNotFoundHandler((_request, reply) => sendApiError(new ApiError('NOT_FOUND'), reply));
  },
  { name: 'api-error-answers' },
);

/** What a refusal of the life cycle is called on the UIAM paths. */
const uiamNames: Partial<Record<ApiErrorName, ErrorName>> = {
  INVALID_INPUT: 'REQUEST_INVALID',
  BODY_INVALID: 'REQUEST_INVALID',
  IDEMPOTENCY_MISMATCH: 'REQUEST_INVALID',
  IDEMPOTENCY_UNREADABLE: 'REQUEST_CONFLICT',
  UNAUTHENTICATED: 'API_KEY_REVOKED',
  PERMISSION_DENIED: 'AUTHORIZATION_DENIED',
  QUOTA_EXCEEDED: 'KEY_QUOTA',
  INTERNAL_QUOTA_EXCEEDED: 'TOO_MANY_INTERNAL_API_KEYS',
  ORGANIZATION_NOT_FOUND: 'REQUEST_CONFLICT',
  ROLE_INVALID: 'CONVERSION_RIGHTS',
  LAST_OWNER: 'REQUEST_CONFLICT',
  KEY_NOT_FOUND: 'API_KEY_MISSING',
  RATE_LIMITED: 'RATE_LIMITED',
  UNAVAILABLE: 'UNAVAILABLE',
};

/** An error of the life cycle, as one of the UIAM registry; anything else passes. */
export function fromApiError(thrown: unknown): unknown {
  if (!(thrown instanceof ApiError)) return thrown;
  const field = thrown.problems[0]?.fields?.[0];
  const name = uiamNames[thrown.reason] ?? 'INTERNAL';
  return new IamError(name, {
    message: thrown.message,
    ...(field !== undefined && { resource: field }),
    cause: thrown,
  });
}

function logRefusal(request: FastifyRequest, status: number, code: string, error: Error): void {
  if (status >= 500) request.log.error({ err: error.cause ?? error, error_code: code }, error.message);
  else request.log.debug({ error_code: code }, error.message);
}
