import type { FastifyRequest } from 'fastify';
import { IamError } from '../../errors.ts';
import type { KeyRecord } from '../../keys/key-record.ts';
import type { RetryGuard } from '../keys/idempotency.ts';
import { isOwner } from '../organizations/assignment-scope.ts';
import { notAnOwner } from '../organizations/organizations.ts';
import type { Actor, Principal } from '../principal.ts';

/** The authenticated key of a request. */
export interface Caller {
  key: KeyRecord;
  /** Secret of the credential; it seals the response that a repeated request gets. */
  secret: string;
}

/** Reads the client authentication of a request. */
export function clientProof(request: FastifyRequest) {
  const secret = request.headers['x-client-authentication'];
  return {
    secret: Array.isArray(secret) ? secret[0] : secret,
    certificate: request.hasClientCertificate,
  };
}

export function principalOf({ key }: Caller, request: FastifyRequest): Principal {
  return {
    actor: actorOf('key', key.id, request),
    organizationId: key.organizationId,
    userId: key.createdBy,
    keyId: key.id,
  };
}

export function actorOf(type: Actor['type'], id: string, request: FastifyRequest): Actor {
  return { type, id, sourceIp: request.clientAddress, requestId: request.id };
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

/** @returns the key of a failed authentication whose secret was valid */
export function verifiedKeyId(error: unknown): string | undefined {
  const reasons = ['API_KEY_REVOKED', 'API_KEY_EXPIRED', 'CLIENT_AUTHENTICATION'];
  return error instanceof IamError && reasons.includes(error.reason)
    ? (error.resource ?? undefined)
    : undefined;
}
