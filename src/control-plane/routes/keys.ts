import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { IamError } from '../../errors.ts';
import { assertOwner, principalOf, retryGuard } from '../http/caller.ts';
import {
  createKeyBody,
  emptySchema,
  errorResponses,
  forceQuery,
  idempotencyHeaders,
  idParams,
  keyPageSchema,
  keySchema,
  keyWithCredentialSchema,
} from '../http/schemas.ts';
import { checked, revokeKeysSchema, rotateKeySchema } from '../keys/key-input.ts';
import type { KeyLifecycle } from '../keys/key-lifecycle.ts';
import type { KeyWithCredential } from '../keys/key-view.ts';
import { listKeysSchema } from '../keys/list-keys.ts';

const PATH = '/users/auth/keys';
const tags = ['API keys'];
const showKeyQuery = z.object({
  status: z.enum(['revoked', 'all']).optional().describe('Find a revoked key too.'),
});

/** The key calls of the Elastic Cloud API, and rotation. */
export function keyRoutes(app: FastifyInstance, keys: KeyLifecycle): void {
  app.post(PATH, { schema: docs.create }, async (request, reply) => {
    const { caller } = request;
    const made = await keys.create(principalOf(caller, request), request.body, {
      retry: retryGuard(caller, request),
    });
    return answer(reply.code(201), made);
  });

  app.get(PATH, { schema: docs.list }, async (request) => {
    assertOwner(request.caller);
    return keys.list(request.caller.key.organizationId, request.query);
  });

  app.delete(PATH, { schema: docs.revokeMany }, async (request) => {
    await keys.revokeMany(principalOf(request.caller, request), request.body, { force: forced(request) });
    return {};
  });

  app.get<{ Params: { id: string } }>(`${PATH}/:id`, { schema: docs.show }, async (request) => {
    const { key } = request.caller;
    // A key may always look at itself.
    if (request.params.id !== key.id) assertOwner(request.caller);
    const { status } = checked(showKeyQuery, request.query);
    return keys.show(key.organizationId, request.params.id, status !== undefined);
  });

  app.delete<{ Params: { id: string } }>(`${PATH}/:id`, { schema: docs.revoke }, async (request) => {
    await keys.revoke(principalOf(request.caller, request), request.params.id, { force: forced(request) });
    return {};
  });

  app.post<{ Params: { id: string } }>(
    `${PATH}/:id/_rotate`,
    { schema: docs.rotate },
    async (request, reply) => {
      const { caller } = request;
      const rotated = await keys.rotate(principalOf(caller, request), request.params.id, request.body, {
        force: forced(request),
        retry: retryGuard(caller, request),
      });
      return answer(reply, rotated);
    },
  );
}

/** A credential is not for any cache on the way. */
function answer(reply: FastifyReply, made: { key: KeyWithCredential; replayed: boolean }): FastifyReply {
  if (made.replayed) reply.header('idempotent-replayed', 'true');
  return reply.cacheControl('no-store').send(made.key);
}

/** Reads `?force`. @throws {IamError} for anything but true and false: a guess could revoke too much */
export function forced(request: FastifyRequest): boolean {
  const { force } = request.query as { force?: unknown };
  if (force === undefined || force === 'false') return false;
  if (force === 'true') return true;
  throw new IamError('INVALID_INPUT', { message: 'force: must be true or false', fields: ['force'] });
}

const docs = {
  create: {
    tags,
    summary: 'Create an API key',
    description:
      'Makes a key of the caller’s organization. Owners only. Expires after 90 days unless said otherwise.',
    headers: idempotencyHeaders,
    body: createKeyBody,
    response: { 201: keyWithCredentialSchema, ...errorResponses(400, 403, 409, 413, 422) },
  },
  list: {
    tags,
    summary: 'List API keys',
    description: 'Newest first. Owners only.',
    querystring: listKeysSchema,
    response: { 200: keyPageSchema, ...errorResponses(400, 403) },
  },
  revokeMany: {
    tags,
    summary: 'Revoke several API keys',
    description: 'All of them or none. Owners only.',
    querystring: forceQuery,
    body: revokeKeysSchema,
    response: { 200: emptySchema, ...errorResponses(400, 403, 404, 409) },
  },
  show: {
    tags,
    summary: 'Get an API key',
    description: 'Owners, and every key for itself.',
    params: idParams,
    querystring: showKeyQuery,
    response: { 200: keySchema, ...errorResponses(400, 403, 404) },
  },
  revoke: {
    tags,
    summary: 'Revoke an API key',
    description: 'Revoking a revoked key succeeds. Owners only.',
    params: idParams,
    querystring: forceQuery,
    response: { 200: emptySchema, ...errorResponses(400, 403, 404, 409) },
  },
  rotate: {
    tags,
    summary: 'Rotate an API key',
    description:
      'Answers a new credential of the same key; the old secret goes on for the grace period. Owners only.',
    params: idParams,
    querystring: forceQuery,
    headers: idempotencyHeaders,
    body: rotateKeySchema.optional(),
    response: { 200: keyWithCredentialSchema, ...errorResponses(400, 403, 404, 409, 422) },
  },
};
