import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { IamError } from '../../errors.ts';
import { assertOwner, principalOf, retryGuard } from '../http/caller.ts';
import { linkNext } from '../http/next-link.ts';
import {
  createKeyBody,
  emptySchema,
  errorResponses,
  forceQuery,
  idempotencyHeaders,
  idParams,
  keyIdOf,
  keyPageSchema,
  keySchema,
  keyWithCredentialSchema,
} from '../http/schemas.ts';
import { parseInput } from '../input.ts';
import type { IssuedKey } from '../keys/create-key.ts';
import type { KeyLifecycle } from '../keys/key-lifecycle.ts';
import { listKeysSchema } from '../keys/list-keys.ts';
import { revokeKeysSchema } from '../keys/revoke-keys.ts';
import { rotateKeySchema } from '../keys/rotate-key.ts';

const PATH = '/users/auth/keys';
const tags = ['API keys'];
const showKeyQuery = z.object({
  status: z.enum(['revoked', 'all']).optional().describe('Include revoked keys.'),
});

/** Serves the key calls of the Elastic Cloud API, and rotation. */
export function keyRoutes(app: FastifyInstance, keys: KeyLifecycle): void {
  app.post(
    PATH,
    {
      config: { audit: { action: 'api_key.create', targetType: 'api_key' } },
      schema: {
        tags,
        operationId: 'createApiKey',
        summary: 'Create an API key',
        description:
          "Creates a key in the caller's organization. It expires after 90 days by default. Owners only.",
        headers: idempotencyHeaders,
        body: createKeyBody,
        response: { 201: keyWithCredentialSchema, ...errorResponses(400, 403, 409, 413, 422) },
      },
    },
    async (request, reply) => {
      const { caller } = request;
      const issued = await keys.create(principalOf(caller, request), request.body, {
        retry: retryGuard(caller, request),
      });
      return sendIssued(reply.code(201), issued);
    },
  );

  app.get(
    PATH,
    {
      config: { audit: { action: 'api_key.list', targetType: 'api_key' } },
      schema: {
        tags,
        operationId: 'listApiKeys',
        summary: 'List API keys',
        description: 'Lists keys, newest first. Owners only.',
        querystring: listKeysSchema,
        response: { 200: keyPageSchema, ...errorResponses(400, 403) },
      },
    },
    async (request, reply) => {
      assertOwner(request.caller);
      const page = await keys.list(request.caller.key.organizationId, request.query);
      return linkNext(request, reply, page);
    },
  );

  app.delete(
    PATH,
    {
      config: { audit: { action: 'api_key.revoke', targetType: 'api_key' } },
      schema: {
        tags,
        operationId: 'revokeApiKeys',
        summary: 'Revoke several API keys',
        description: 'Revokes all of the keys or none. Owners only.',
        querystring: forceQuery,
        body: revokeKeysSchema,
        response: { 200: emptySchema, ...errorResponses(400, 403, 404, 409) },
      },
    },
    async (request) => {
      await keys.revokeMany(principalOf(request.caller, request), request.body, { force: forceOf(request) });
      return {};
    },
  );

  app.get<{ Params: { id: string } }>(
    `${PATH}/:id`,
    {
      config: { audit: { action: 'api_key.get', targetType: 'api_key', targetId: keyIdOf } },
      schema: {
        tags,
        operationId: 'getApiKey',
        summary: 'Get an API key',
        description: 'Owners can read all keys. Any other key can read only itself.',
        params: idParams,
        querystring: showKeyQuery,
        response: { 200: keySchema, ...errorResponses(400, 403, 404) },
      },
    },
    async (request) => {
      const { key } = request.caller;
      // Every key can read its own definition.
      if (request.params.id !== key.id) assertOwner(request.caller);
      const { status } = parseInput(showKeyQuery, request.query);
      return keys.show(key.organizationId, request.params.id, status !== undefined);
    },
  );

  app.delete<{ Params: { id: string } }>(
    `${PATH}/:id`,
    {
      config: { audit: { action: 'api_key.revoke', targetType: 'api_key', targetId: keyIdOf } },
      schema: {
        tags,
        operationId: 'revokeApiKey',
        summary: 'Revoke an API key',
        description: 'Succeeds for a key that is already revoked. Owners only.',
        params: idParams,
        querystring: forceQuery,
        response: { 200: emptySchema, ...errorResponses(400, 403, 404, 409) },
      },
    },
    async (request) => {
      await keys.revoke(principalOf(request.caller, request), request.params.id, { force: forceOf(request) });
      return {};
    },
  );

  app.post<{ Params: { id: string } }>(
    `${PATH}/:id/_rotate`,
    {
      config: { audit: { action: 'api_key.rotate', targetType: 'api_key', targetId: keyIdOf } },
      schema: {
        tags,
        operationId: 'rotateApiKey',
        summary: 'Rotate an API key',
        description:
          'Returns a new credential of the same key. The old secret stays valid for the grace period. Owners only.',
        params: idParams,
        querystring: forceQuery,
        headers: idempotencyHeaders,
        body: rotateKeySchema.optional(),
        response: { 200: keyWithCredentialSchema, ...errorResponses(400, 403, 404, 409, 422) },
      },
    },
    async (request, reply) => {
      const { caller } = request;
      const rotated = await keys.rotate(principalOf(caller, request), request.params.id, request.body, {
        force: forceOf(request),
        retry: retryGuard(caller, request),
      });
      return sendIssued(reply, rotated);
    },
  );
}

function sendIssued(reply: FastifyReply, issued: IssuedKey): FastifyReply {
  if (issued.replayed) reply.header('idempotent-replayed', 'true');
  return reply.send(issued.key);
}

/** Reads `?force`. @throws {IamError} for other values than true and false, because a guess could revoke too much */
export function forceOf(request: FastifyRequest): boolean {
  const { force } = request.query as { force?: unknown };
  if (force === undefined || force === 'false') return false;
  if (force === 'true') return true;
  throw new IamError('INVALID_INPUT', { message: 'force: must be true or false', fields: ['force'] });
}
