import type { FastifyRequest } from 'fastify';
import { IamError } from '../../errors.ts';
import { hasClientCertificate } from '../../http/server-options.ts';
import type { KeyAuthenticator } from '../../keys/key-authenticator.ts';
import type { KeyRecord } from '../../keys/key-record.ts';
import type { RetryGuard } from '../keys/idempotency.ts';
import { isOwner } from '../organizations/assignment-scope.ts';
import { notAnOwner } from '../organizations/organizations.ts';
import type { Actor, Principal } from '../principal.ts';

/** The key behind a request, proved. */
export interface Caller {
  key: KeyRecord;
  /** The secret that was presented: answers for a repetition are sealed under it. */
  secret: string;
}

/** Authenticates as the region does, through the same code. @throws {IamError} 401, or errors of the store */
export async function authenticateCaller(
  authenticator: KeyAuthenticator,
  request: FastifyRequest,
): Promise<Caller> {
  const { authorization } = request.headers;
  const { loaded } = await authenticator.authenticate({ authorization, client: clientProof(request) });
  return { key: loaded.record, secret: authenticator.decode(authorization).secret };
}

/** What a request shows of the service that sends it. */
export function clientProof(request: FastifyRequest) {
  const secret = request.headers['x-client-authentication'];
  return {
    secret: Array.isArray(secret) ? secret[0] : secret,
    certificate: hasClientCertificate(request),
  };
}

/** On whose behalf the request is. */
export function principalOf({ key }: Caller, request: FastifyRequest): Principal {
  return {
    actor: actorOf('key', key.id, request),
    organizationId: key.organizationId,
    userId: key.createdBy,
    keyId: key.id,
  };
}

export function actorOf(type: Actor['type'], id: string, request: FastifyRequest): Actor {
  return { type, id, sourceIp: request.ip, requestId: request.id };
}

/** @throws {IamError} `root.permission_denied` */
export function assertOwner({ key }: Caller): void {
  if (!isOwner(key.roleAssignments, key.organizationId)) throw notAnOwner();
}

/** Reads `Idempotency-Key`. @throws {IamError} when it is not 1 to 255 printable characters */
export function retryGuard({ secret }: Caller, request: FastifyRequest): RetryGuard | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || !/^[\x20-\x7e]{1,255}$/.test(key)) {
    throw new IamError('INVALID_INPUT', {
      message: 'Idempotency-Key: must be one header of 1 to 255 printable characters',
      fields: ['Idempotency-Key'],
    });
  }
  return { key, secret, request: [request.method, request.url, request.body ?? null] };
}

/** Whether an authentication failed although it is known which key was meant: such attempts go on record. */
export function provenKeyId(error: unknown): string | undefined {
  const reasons = ['API_KEY_REVOKED', 'API_KEY_EXPIRED', 'CLIENT_AUTHENTICATION'];
  return error instanceof IamError && reasons.includes(error.reason)
    ? (error.resource ?? undefined)
    : undefined;
}
