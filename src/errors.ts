/**
 * Every error this service answers, as data: docs/errors.md is generated from this table.
 *
 * Codes in the first group are those that existing clients know; the second group (`0x1A….`) is ours, its last
 * digits the status. 401 is the key's fault, 403 its permissions', 503 ours.
 */
export const ERRORS = {
  API_KEY_MISSING: {
    code: '0x28D520',
    status: 401,
    type: 'AUTHENTICATION.API_KEY',
    message: 'The API key does not exist or its secret is wrong.',
  },
  API_KEY_EXPIRED: {
    code: '0xE436AE',
    status: 401,
    type: 'AUTHENTICATION.API_KEY',
    message: 'The API key has expired. Create a new one, or rotate it with a new expiration.',
  },
  API_KEY_REVOKED: {
    code: '0xD38358',
    status: 401,
    type: 'AUTHENTICATION.API_KEY',
    message: 'The API key has been revoked.',
  },
  CLIENT_AUTHENTICATION: {
    code: '0x8560B2',
    status: 401,
    type: 'AUTHENTICATION.CLIENT',
    message: 'The API key is right, the client authentication is not.',
  },
  CREDENTIAL_UNDECODABLE: {
    code: '0xD00DF3',
    status: 401,
    type: 'AUTHENTICATION.CREDENTIAL',
    message: 'The credential cannot be decoded.',
  },
  AUTHORIZATION_DENIED: {
    code: '0x93B121',
    status: 403,
    type: 'AUTHORIZATION.DENIED',
    message: 'The API key is good and grants nothing here.',
  },
  TOO_MANY_INTERNAL_API_KEYS: {
    code: '0x3196F8',
    status: 429,
    type: 'QUOTA.API_KEY',
    message: 'The organization has as many active internal API keys as it may have.',
  },
  CONVERSION_CREATOR: {
    code: '0x357391',
    status: 400,
    type: 'CONVERSION.CREATOR',
    message: 'The creator of the native API key is no cloud user; only keys of cloud users are converted.',
  },
  INTERNAL: {
    code: '0x1C6964',
    status: 500,
    type: 'GENERAL.UNKNOWN',
    message: 'Something went wrong on our side; the request id finds it in our logs.',
  },

  REQUEST_INVALID: {
    code: '0x1A0400',
    status: 400,
    type: 'REQUEST.INVALID',
    message: 'The request is not valid.',
  },
  REQUEST_CONFLICT: {
    code: '0x1A0409',
    status: 409,
    type: 'REQUEST.CONFLICT',
    message: 'The request does not fit the present state.',
  },
  KEY_QUOTA: {
    code: '0x1A1409',
    status: 409,
    type: 'QUOTA.API_KEY',
    message: 'The organization has as many active API keys as it may have.',
  },
  RATE_LIMITED: {
    code: '0x1A0429',
    status: 429,
    type: 'REQUEST.RATE_LIMITED',
    message: 'Too many requests; the Retry-After header says when to come back.',
  },
  CONVERSION_KEY: {
    code: '0x1A1400',
    status: 400,
    type: 'CONVERSION.KEY',
    message:
      'The Elasticsearch endpoint does not accept the native API key: it is wrong, expired or invalidated.',
  },
  CONVERSION_ENDPOINT: {
    code: '0x1A2400',
    status: 400,
    type: 'CONVERSION.ENDPOINT',
    message:
      'Keys of this Elasticsearch endpoint are not converted here. Endpoints are named without a path.',
  },
  CONVERSION_RIGHTS: {
    code: '0x1A3400',
    status: 400,
    type: 'CONVERSION.RIGHTS',
    message:
      'What the native API key may do, limited by the roles of its creator, cannot be written as role descriptors.',
  },
  CONVERSION_UNAVAILABLE: {
    code: '0x1A2503',
    status: 503,
    type: 'CONVERSION.UNAVAILABLE',
    message: 'The Elasticsearch endpoint does not answer as expected right now; try again shortly.',
  },
  CONTROL_PLANE_UNAVAILABLE: {
    code: '0x1A1503',
    status: 503,
    type: 'SERVICE.CONTROL_PLANE',
    message:
      'The control plane cannot be reached right now; authentication goes on. Try again shortly, with the same Idempotency-Key.',
  },
  NOT_FOUND: {
    code: '0x1A0404',
    status: 404,
    type: 'REQUEST.NOT_FOUND',
    message: 'There is nothing at this path.',
  },
  BODY_TOO_LARGE: {
    code: '0x1A0413',
    status: 413,
    type: 'REQUEST.TOO_LARGE',
    message: 'The request body is too large.',
  },
  MEDIA_TYPE: {
    code: '0x1A0415',
    status: 415,
    type: 'REQUEST.MEDIA_TYPE',
    message: 'Send the body as application/json.',
  },
  OVERLOADED: {
    code: '0x1A0529',
    status: 503,
    type: 'SERVICE.OVERLOADED',
    message: 'Too many credentials wait to be verified; try again shortly.',
  },
  UNAVAILABLE: {
    code: '0x1A0503',
    status: 503,
    type: 'SERVICE.UNAVAILABLE',
    message: 'The credential cannot be checked right now; it may be good. Try again shortly.',
  },
  KEY_QUARANTINED: {
    code: '0x1A0513',
    status: 503,
    type: 'SERVICE.KEY_QUARANTINED',
    message:
      'The stored definition of this API key cannot be read; this is on our side. Other keys are not affected.',
  },
} as const satisfies Record<string, ErrorRow>;

interface ErrorRow {
  code: `0x${string}`;
  status: number;
  type: string;
  message: string;
}

export type ErrorName = keyof typeof ERRORS;

/** Seconds a client is told to wait before it tries again, with every 503. */
export const RETRY_AFTER_SECONDS = 1;

interface Details {
  /** Public sentence that says more than the registry's. */
  message?: string;
  /** What the error is about: an id, a field. */
  resource?: string;
  /** Internal reason, for the log alone. */
  cause?: unknown;
}

/** An error of the registry, thrown by handlers and rendered in one place. */
export class IamError extends Error {
  override name = 'IamError';
  readonly row: ErrorRow;
  readonly reason: ErrorName;
  readonly resource: string | null;

  constructor(reason: ErrorName, details: Details = {}) {
    super(details.message ?? ERRORS[reason].message, { cause: details.cause });
    this.row = ERRORS[reason];
    this.reason = reason;
    this.resource = details.resource ?? null;
  }
}

/** The JSON body of an error, as every client of the protocol reads it. */
export function errorBody(error: IamError, requestId: string) {
  return {
    request_id: requestId,
    error: { code: error.row.code, message: error.message, resource: error.resource, type: error.row.type },
  };
}
