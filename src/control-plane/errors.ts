import type { Violation } from '../roles/violation.ts';

/**
 * Every refusal of the `/api/v1` calls, as data: docs/control-plane.md shows this table, and a test compares them.
 *
 * The first four codes are those of the Elastic Cloud API; the others follow its form. 401 is the key's fault, 403
 * its permissions', 503 ours.
 */
export const API_ERRORS = {
  INVALID_INPUT: { code: 'api_keys.invalid_input', status: 400, message: 'The request is not valid.' },
  KEY_NOT_FOUND: {
    code: 'api_keys.key_not_found',
    status: 404,
    message: 'There is no such API key in this organization.',
  },
  UNAUTHENTICATED: {
    code: 'root.unauthenticated',
    status: 401,
    message: 'The credential is not good.',
  },
  PERMISSION_DENIED: {
    code: 'root.permission_denied',
    status: 403,
    message: 'The API key does not have the right to do this.',
  },

  QUOTA_EXCEEDED: {
    code: 'api_keys.quota_exceeded',
    status: 409,
    message: 'The organization has as many active API keys as it may have. Revoke one that is not needed.',
  },
  INTERNAL_QUOTA_EXCEEDED: {
    code: 'api_keys.internal_quota_exceeded',
    status: 429,
    message: 'The organization has as many active internal API keys as it may have.',
  },
  LAST_OWNER: {
    code: 'api_keys.last_owner',
    status: 409,
    message:
      'This would leave the organization without an active owner key, and nobody could make another over this API. Add ?force=true to do it all the same.',
  },
  KEY_REVOKED: {
    code: 'api_keys.key_revoked',
    status: 409,
    message: 'The API key is revoked; that cannot be undone. Create a new one.',
  },
  KEY_EXPIRED: {
    code: 'api_keys.key_expired',
    status: 409,
    message: 'The API key has expired. Rotate it with an "expiration" to bring it back with a new secret.',
  },
  ROTATION_IN_PROGRESS: {
    code: 'api_keys.rotation_in_progress',
    status: 409,
    message:
      'The secret before the last rotation is still accepted, and another rotation would end it now. Wait for the grace period to end, or add ?force=true.',
  },
  IDEMPOTENCY_MISMATCH: {
    code: 'api_keys.idempotency_mismatch',
    status: 422,
    message: 'This Idempotency-Key came with another request before. Send a new one.',
  },
  IDEMPOTENCY_UNREADABLE: {
    code: 'api_keys.idempotency_unreadable',
    status: 409,
    message:
      'The first call with this Idempotency-Key succeeded, but its answer can be opened only with the secret that was sent with it. Rotate the API key to get a new secret.',
  },
  ROLE_INVALID: { code: 'roles.invalid_input', status: 400, message: 'The role is not valid.' },
  ROLE_NOT_FOUND: {
    code: 'roles.role_not_found',
    status: 404,
    message: 'The project has no custom role of this name.',
  },
  ORGANIZATION_NOT_FOUND: {
    code: 'organizations.not_found',
    status: 404,
    message: 'There is no such organization.',
  },
  ORGANIZATION_EXISTS: {
    code: 'organizations.exists',
    status: 409,
    message: 'There is an organization of this id already.',
  },
  AUDIT_INVALID: { code: 'audit.invalid_input', status: 400, message: 'The query is not valid.' },
  BODY_INVALID: { code: 'root.invalid_body', status: 400, message: 'The request body is not valid JSON.' },
  BODY_TOO_LARGE: { code: 'root.body_too_large', status: 413, message: 'The request body is too large.' },
  MEDIA_TYPE: {
    code: 'root.unsupported_media_type',
    status: 415,
    message: 'Send the body as application/json.',
  },
  NOT_FOUND: { code: 'root.not_found', status: 404, message: 'There is nothing at this path.' },
  RATE_LIMITED: {
    code: 'root.rate_limited',
    status: 429,
    message: 'Too many requests; the Retry-After header says when to come back.',
  },
  UNAVAILABLE: {
    code: 'root.unavailable',
    status: 503,
    message:
      'This cannot be answered right now; nothing is known to be wrong with the request or its key. Try again shortly, with the same Idempotency-Key.',
  },
  INTERNAL: {
    code: 'root.internal_error',
    status: 500,
    message: 'Something went wrong on our side; the request id finds it in our logs.',
  },
} as const satisfies Record<string, ApiErrorRow>;

export interface ApiErrorRow {
  code: string;
  status: number;
  message: string;
}

export type ApiErrorName = keyof typeof API_ERRORS;

interface Details {
  /** Public sentence that says more than the registry's. */
  message?: string;
  /** JSON paths of what is wrong. */
  fields?: readonly string[];
  /** Internal reason, for the log alone. */
  cause?: unknown;
}

/** A refusal of the registry; thrown where the rule is, rendered in one place (HTTP) or printed (CLI). */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly reason: ApiErrorName;
  readonly row: ApiErrorRow;
  /** One or more problems, each an entry of `errors` in the answer. */
  readonly problems: readonly { message: string; fields?: readonly string[] }[];

  constructor(reason: ApiErrorName, details: Details = {}, problems?: ApiError['problems']) {
    const row = API_ERRORS[reason];
    const message = details.message ?? problems?.map((problem) => problem.message).join('; ') ?? row.message;
    super(message, { cause: details.cause });
    this.reason = reason;
    this.row = row;
    this.problems = problems ?? [{ message, ...(details.fields && { fields: details.fields }) }];
  }
}

/** A refusal that names each thing that is wrong by its JSON path. */
export function violationsError(
  reason: 'INVALID_INPUT' | 'ROLE_INVALID' | 'AUDIT_INVALID',
  violations: readonly Violation[],
  prefix = '',
): ApiError {
  const problems = violations.map(({ path, message }) => {
    const field = [prefix, path].filter(Boolean).join('.') || 'body';
    return { message: `${field}: ${message}`, fields: [field] };
  });
  return new ApiError(reason, {}, problems);
}
