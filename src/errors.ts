import { TracelessError } from './lib/traceless-error.ts';
import type { Violation } from './roles/violation.ts';

/** How the UIAM calls (`/uiam/api/v1`) show an error. */
interface UiamForm {
  code: `0x${string}`;
  status: number;
  type: string;
}

/** How the Elastic Cloud API (`/api/v1`) and the CLI show an error. */
interface CloudForm {
  code: string;
  status: number;
  /** Public sentence where the Cloud API needs its own. */
  message?: string;
}

/** One error in the forms of both APIs. */
export interface ErrorRow {
  uiam: UiamForm;
  cloud: CloudForm;
  /** Public sentence: what happened, then what to do. */
  message: string;
}

const uiam = (code: UiamForm['code'], status: number, type: string): UiamForm => ({ code, status, type });
const cloud = (code: string, status: number, message?: string): CloudForm => ({
  code,
  status,
  ...(message !== undefined && { message }),
});

// Forms that several errors share.
const uiamInvalid = uiam('0x1A0400', 400, 'REQUEST.INVALID');
const uiamConflict = uiam('0x1A0409', 409, 'REQUEST.CONFLICT');
const uiamMissing = uiam('0x28D520', 401, 'AUTHENTICATION.API_KEY');
const uiamRevoked = uiam('0xD38358', 401, 'AUTHENTICATION.API_KEY');
const uiamConversion = uiam('0x1A3400', 400, 'CONVERSION.RIGHTS');
const uiamUnavailable = uiam('0x1A0503', 503, 'SERVICE.UNAVAILABLE');
const uiamNotFound = uiam('0x1A0404', 404, 'REQUEST.NOT_FOUND');
const cloudUnauthenticated = cloud('root.unauthenticated', 401);
const cloudInvalidInput = cloud('api_keys.invalid_input', 400);
const cloudUnavailable = cloud(
  'root.unavailable',
  503,
  'The service cannot process the request at the moment. The request and its key may be valid. Try again shortly, with the same Idempotency-Key.',
);

/**
 * The registry of all errors, in both APIs' forms. docs/errors.md is generated from it.
 *
 * 401 means that the key is at fault, 403 its permissions, 503 the service. UIAM codes that start with `0x1A` are specific to this
 * service: one digit that tells them apart, then the status. The protocol defines all other UIAM codes.
 */
export const ERRORS = {
  API_KEY_MISSING: {
    uiam: uiamMissing,
    cloud: cloudUnauthenticated,
    message: 'The API key does not exist or its secret is wrong.',
  },
  API_KEY_EXPIRED: {
    uiam: uiam('0xE436AE', 401, 'AUTHENTICATION.API_KEY'),
    cloud: cloudUnauthenticated,
    message: 'The API key has expired. Create a new one, or rotate it with a new expiration.',
  },
  API_KEY_REVOKED: {
    uiam: uiamRevoked,
    cloud: cloudUnauthenticated,
    message: 'The API key has been revoked.',
  },
  /** The caller's key ended between its authentication and its change. */
  UNAUTHENTICATED: {
    uiam: uiamRevoked,
    cloud: cloudUnauthenticated,
    message: 'The API key was revoked or expired during the request.',
  },
  CLIENT_AUTHENTICATION: {
    uiam: uiam('0x8560B2', 401, 'AUTHENTICATION.CLIENT'),
    cloud: cloudUnauthenticated,
    message: 'The API key is valid, but the client authentication is not.',
  },
  REGION_UNAUTHENTICATED: {
    uiam: uiam('0x1A0401', 401, 'AUTHENTICATION.REGION'),
    cloud: cloudUnauthenticated,
    message: 'Only regions may send this call, with a secret of FORWARDING_SECRETS.',
  },
  CREDENTIAL_UNDECODABLE: {
    uiam: uiam('0xD00DF3', 401, 'AUTHENTICATION.CREDENTIAL'),
    cloud: cloudUnauthenticated,
    message: 'The credential cannot be decoded.',
  },
  PERMISSION_DENIED: {
    uiam: uiam('0x93B121', 403, 'AUTHORIZATION.DENIED'),
    cloud: cloud('root.permission_denied', 403, 'The API key does not have the permission for this request.'),
    message: 'The API key is valid but has no role in this project.',
  },

  INVALID_INPUT: { uiam: uiamInvalid, cloud: cloudInvalidInput, message: 'The request is invalid.' },
  REQUEST_INVALID: {
    uiam: uiamInvalid,
    cloud: cloud('root.invalid_body', 400),
    message: 'The request is invalid.',
  },
  BODY_INVALID: {
    uiam: uiamInvalid,
    cloud: cloud('root.invalid_body', 400),
    message: 'The request body is not valid JSON.',
  },
  AUDIT_INVALID: {
    uiam: uiamInvalid,
    cloud: cloud('audit.invalid_input', 400),
    message: 'The query is invalid.',
  },
  ROLE_INVALID: {
    uiam: uiamConversion,
    cloud: cloud('roles.invalid_input', 400),
    message: 'The role is invalid.',
  },
  CONVERSION_CREATOR: {
    uiam: uiam('0x357391', 400, 'CONVERSION.CREATOR'),
    cloud: cloudInvalidInput,
    message:
      'The creator of the native API key is not a cloud user. Only keys of cloud users can be converted.',
  },
  CONVERSION_KEY: {
    uiam: uiam('0x1A1400', 400, 'CONVERSION.KEY'),
    cloud: cloudInvalidInput,
    message:
      'The Elasticsearch endpoint does not accept the native API key: it is wrong, expired or invalidated.',
  },
  CONVERSION_ENDPOINT: {
    uiam: uiam('0x1A2400', 400, 'CONVERSION.ENDPOINT'),
    cloud: cloudInvalidInput,
    message:
      'Conversion is not allowed for keys of this Elasticsearch endpoint. Send the endpoint as an origin, without a path.',
  },
  CONVERSION_RIGHTS: {
    uiam: uiamConversion,
    cloud: cloudInvalidInput,
    message:
      "The native API key's permissions, limited by the roles of its creator, cannot be expressed as role descriptors.",
  },
  NOT_FOUND: {
    uiam: uiamNotFound,
    cloud: cloud('root.not_found', 404),
    message: 'This path does not exist.',
  },
  METHOD_NOT_ALLOWED: {
    uiam: uiam('0x1A0405', 405, 'REQUEST.METHOD'),
    cloud: cloud('root.method_not_allowed', 405),
    message:
      'This path does not support the method of the request. The Allow header lists the methods that it supports.',
  },
  QUERY_UNKNOWN: {
    uiam: uiamInvalid,
    cloud: cloud('root.invalid_query', 400),
    message: 'This call does not have such a query parameter.',
  },
  TOKENS_NOT_SUPPORTED: {
    uiam: uiam('0x1A4400', 400, 'REQUEST.NOT_SUPPORTED'),
    cloud: cloud('root.not_supported', 400),
    message:
      'This service does not issue tokens to the holder of a client certificate yet. Send "Authorization: ApiKey <credential>".',
  },
  TOKEN_UNKNOWN: {
    uiam: uiam('0x7E0116', 401, 'AUTHENTICATION.TOKEN'),
    cloud: cloudUnauthenticated,
    message: 'The token is unknown or has expired. Sign in again.',
  },
  KEY_NOT_FOUND: {
    uiam: uiamMissing,
    cloud: cloud('api_keys.key_not_found', 404),
    message: 'The organization has no such API key.',
  },
  ROLE_NOT_FOUND: {
    uiam: uiamNotFound,
    cloud: cloud('roles.role_not_found', 404),
    message: 'The project has no custom role with this name.',
  },
  ORGANIZATION_NOT_FOUND: {
    uiam: uiamConflict,
    cloud: cloud('organizations.not_found', 404),
    message: 'The organization does not exist.',
  },

  QUOTA_EXCEEDED: {
    uiam: uiam('0x1A1409', 409, 'QUOTA.API_KEY'),
    cloud: cloud('api_keys.quota_exceeded', 409),
    message: 'The organization has reached its limit of active API keys. Revoke one that is not needed.',
  },
  INTERNAL_QUOTA_EXCEEDED: {
    uiam: uiam('0x3196F8', 429, 'QUOTA.API_KEY'),
    cloud: cloud('api_keys.internal_quota_exceeded', 429),
    message: 'The organization has reached its limit of active internal API keys.',
  },
  ORGANIZATION_EXISTS: {
    uiam: uiamConflict,
    cloud: cloud('organizations.exists', 409),
    message: 'An organization with this id already exists.',
  },
  LAST_OWNER: {
    uiam: uiamConflict,
    cloud: cloud('api_keys.last_owner', 409),
    message:
      'The organization would have no active owner key left, and could not create another one with this API. Add ?force=true to override this check.',
  },
  ROLE_SET_CONFLICT: {
    uiam: uiamConflict,
    cloud: cloud('roles.set_conflict', 409),
    message: 'The database has another set of predefined roles.',
  },
  KEY_REVOKED: {
    uiam: uiamConflict,
    cloud: cloud('api_keys.key_revoked', 409),
    message: 'The API key is revoked, which cannot be undone. Create a new one.',
  },
  KEY_EXPIRED: {
    uiam: uiamConflict,
    cloud: cloud('api_keys.key_expired', 409),
    message: 'The API key has expired. Rotate it with an "expiration" to reactivate it with a new secret.',
  },
  ROTATION_IN_PROGRESS: {
    uiam: uiamConflict,
    cloud: cloud('api_keys.rotation_in_progress', 409),
    message:
      'The previous secret is still in its grace period, and another rotation would end it now. Wait until the grace period ends, or add ?force=true.',
  },
  IDEMPOTENCY_UNREADABLE: {
    uiam: uiamConflict,
    cloud: cloud('api_keys.idempotency_unreadable', 409),
    message:
      'The first request with this Idempotency-Key succeeded, but only the secret that was sent with it can open the response. Rotate the API key to get a new secret.',
  },
  IDEMPOTENCY_MISMATCH: {
    uiam: uiamInvalid,
    cloud: cloud('api_keys.idempotency_mismatch', 422),
    message: 'This Idempotency-Key was used with a different request. Send a new one.',
  },
  RESPONSE_TOO_LARGE: {
    uiam: uiam('0x1A5400', 400, 'REQUEST.RESPONSE_TOO_LARGE'),
    cloud: cloud('root.response_too_large', 400),
    message:
      'The response would be too large. Request fewer contexts, or add ?include_role_descriptors=false.',
  },
  REQUEST_TIMEOUT: {
    uiam: uiam('0x1A0408', 408, 'REQUEST.TIMEOUT'),
    cloud: cloud('root.request_timeout', 408),
    message: 'The request did not arrive in time. Send it again.',
  },
  BODY_TOO_LARGE: {
    uiam: uiam('0x1A0413', 413, 'REQUEST.TOO_LARGE'),
    cloud: cloud('root.body_too_large', 413),
    message: 'The request body is too large.',
  },
  MEDIA_TYPE: {
    uiam: uiam('0x1A0415', 415, 'REQUEST.MEDIA_TYPE'),
    cloud: cloud('root.unsupported_media_type', 415),
    message: 'Send the body as application/json.',
  },
  RATE_LIMITED: {
    uiam: uiam('0x1A0429', 429, 'REQUEST.RATE_LIMITED'),
    cloud: cloud('root.rate_limited', 429),
    message: 'Too many requests. Wait for the time in the Retry-After header.',
  },
  REGIONAL_RATE_LIMITED: {
    uiam: uiam('0x1A1429', 429, 'REQUEST.REGIONAL_RATE_LIMITED'),
    cloud: cloud('root.rate_limited', 429),
    message:
      'Too many requests from this address in this region. Wait for the time in the Retry-After header.',
  },

  INTERNAL: {
    uiam: uiam('0x1C6964', 500, 'GENERAL.UNKNOWN'),
    // A Cloud response contains no request id.
    cloud: cloud(
      'root.internal_error',
      500,
      'The service failed with an internal error. Report the time of the request to the operator.',
    ),
    message: 'The service failed with an internal error. The request id identifies it in the log.',
  },
  CONVERSION_UNAVAILABLE: {
    uiam: uiam('0x1A2503', 503, 'CONVERSION.UNAVAILABLE'),
    cloud: cloudUnavailable,
    message: 'The Elasticsearch endpoint does not respond as expected. Try again shortly.',
  },
  CONTROL_PLANE_UNAVAILABLE: {
    uiam: uiam('0x1A1503', 503, 'SERVICE.CONTROL_PLANE'),
    cloud: cloudUnavailable,
    message:
      'The control plane is not reachable; authentication is unaffected. Try again shortly, with the same Idempotency-Key.',
  },
  OVERLOADED: {
    uiam: uiam('0x1A0529', 503, 'SERVICE.OVERLOADED'),
    cloud: cloudUnavailable,
    message: 'Too many credentials are waiting for verification. Try again shortly.',
  },
  STORE_OVERLOADED: {
    uiam: uiam('0x1A3503', 503, 'SERVICE.STORE_OVERLOADED'),
    cloud: cloudUnavailable,
    message: 'Too many requests are waiting for the database. The key may be valid. Try again shortly.',
  },
  FORWARDING_OVERLOADED: {
    uiam: uiam('0x1A9503', 503, 'SERVICE.FORWARDING_OVERLOADED'),
    cloud: cloudUnavailable,
    message:
      'Too many calls of this region are waiting for the control plane; authentication is unaffected. Try again shortly, with the same Idempotency-Key.',
  },
  RESPONSE_BUDGET: {
    uiam: uiam('0x1A7503', 503, 'SERVICE.RESPONSE_BUDGET'),
    cloud: cloudUnavailable,
    message:
      'Too many long responses are being sent. The key may be valid. Try again shortly, or request fewer contexts.',
  },
  BODIES_OVERLOADED: {
    uiam: uiam('0x1AB503', 503, 'SERVICE.BODIES_OVERLOADED'),
    cloud: cloudUnavailable,
    message: 'Too many large request bodies are in flight. Try again shortly.',
  },
  UNAVAILABLE: {
    uiam: uiamUnavailable,
    cloud: cloudUnavailable,
    message: 'The service cannot check the credential at the moment. It may be valid. Try again shortly.',
  },
  REPLICA_INCOMPLETE: {
    uiam: uiam('0x1A4503', 503, 'SERVICE.REPLICA_INCOMPLETE'),
    cloud: cloudUnavailable,
    message:
      'The region does not have this API key with this secret, but it has not received all changes yet. The key may be valid. Try again shortly.',
  },
  REPLICA_UNCONFIRMED: {
    uiam: uiam('0x1A6503', 503, 'SERVICE.REPLICA_UNCONFIRMED'),
    cloud: cloudUnavailable,
    message:
      'The region cannot confirm that its copy of this API key equals the primary. The key may be valid. Try again shortly.',
  },
  REPLICATION_TOO_OLD: {
    uiam: uiam('0x1A5503', 503, 'SERVICE.REPLICATION_TOO_OLD'),
    cloud: cloudUnavailable,
    message:
      'The region has received no changes for longer than its operator allows, so it accepts no credential. The key may be valid. Try again shortly.',
  },
  EXPIRY_UNDECIDABLE: {
    uiam: uiam('0x1A8503', 503, 'SERVICE.EXPIRY_UNDECIDABLE'),
    cloud: cloudUnavailable,
    message:
      'The service cannot tell whether the API key or its previous secret has expired, because its clock is wrong. The key may be valid. Try again shortly.',
  },
  CLOCK_WRONG: {
    uiam: uiamUnavailable,
    cloud: cloudUnavailable,
    message:
      'The control plane cannot set expirations at the moment, because its clock is wrong. Try again shortly.',
  },
  KEY_QUARANTINED: {
    uiam: uiam('0x1A0513', 503, 'SERVICE.KEY_QUARANTINED'),
    cloud: cloud('root.unavailable', 503),
    message:
      "The service cannot read the stored definition of this API key. The fault is the service's; other keys are unaffected.",
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorName = keyof typeof ERRORS;

/** Value of `Retry-After` with a 503, unless the error says otherwise. */
export const RETRY_AFTER_SECONDS = 1;

interface Problem {
  message: string;
  /** JSON paths of the wrong fields. */
  fields?: readonly string[];
}

interface Details {
  /** Public sentence that says more than the registry's. */
  message?: string;
  /** What the error is about: an id, a field. */
  resource?: string;
  /** JSON paths of the wrong fields. */
  fields?: readonly string[];
  /** Several problems at once; replaces `message` and `fields`. */
  problems?: readonly Problem[];
  /** Value of `Retry-After`. Default: `RETRY_AFTER_SECONDS` for a 503, else no header. */
  retryAfterSeconds?: number;
  /** Internal reason, for the log only. */
  cause?: unknown;
}

/** An error of the registry. Code throws it where the rule is; each API renders it in one place. */
export class IamError extends TracelessError {
  override name = 'IamError';
  readonly reason: ErrorName;
  readonly uiam: UiamForm;
  readonly cloud: CloudForm;
  readonly resource: string | null;
  readonly retryAfterSeconds: number | undefined;
  /** At least one; the Cloud API shows each as an entry of `errors`. */
  readonly problems: readonly Problem[];

  constructor(
    reason: ErrorName,
    { message, resource, fields, problems, retryAfterSeconds, cause }: Details = {},
  ) {
    const row: ErrorRow = ERRORS[reason];
    const joined = problems?.map((problem) => problem.message).join('; ');
    super(message ?? joined ?? row.message, { cause });
    this.reason = reason;
    this.uiam = row.uiam;
    this.cloud = row.cloud;
    this.retryAfterSeconds = retryAfterSeconds ?? (row.uiam.status === 503 ? RETRY_AFTER_SECONDS : undefined);
    this.problems = problems ?? [
      { message: message ?? row.cloud.message ?? row.message, ...(fields && { fields }) },
    ];
    this.resource = resource ?? this.problems[0]?.fields?.[0] ?? null;
  }
}

/** A refusal that names every invalid field by its JSON path. */
export function violationsError(
  reason: 'INVALID_INPUT' | 'ROLE_INVALID' | 'AUDIT_INVALID',
  violations: readonly Violation[],
): IamError {
  const problems = violations.map(({ path, message }) => {
    const field = path || 'body';
    return { message: `${field}: ${message}`, fields: [field] };
  });
  return new IamError(reason, { problems });
}
