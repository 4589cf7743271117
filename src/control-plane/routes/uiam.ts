import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { IamError } from '../../errors.ts';
import { uiamErrorSchema } from '../../http/openapi.ts';
import type { ClientAuthentication } from '../../keys/client-authentication.ts';
import { convertKeysSchema, convertResponseSchema, type KeyConversion } from '../convert/convert-keys.ts';
import { actorOf, clientProof, principalOf, retryGuard } from '../http/caller.ts';
import type { CallerGate } from '../http/caller-gate.ts';
import { forceQuery, idempotencyHeaders, idParams, keyIdOf } from '../http/schemas.ts';
import { grantKeySchema } from '../keys/grant-key.ts';
import type { KeyLifecycle } from '../keys/key-lifecycle.ts';
import { forceOf } from './keys.ts';

export interface UiamServices {
  callers: CallerGate;
  clientAuthentication: ClientAuthentication;
  keys: KeyLifecycle;
  conversion: KeyConversion;
}

/**
 * Serves the key calls of services: `_grant`, self-revocation, `_convert`. Errors have the format of `_authenticate`. Each call
 * authenticates its caller before the body is read.
 */
export function uiamRoutes(app: FastifyInstance, services: UiamServices): void {
  app.post(
    '/_grant',
    {
      config: { audit: { action: 'api_key.grant', targetType: 'api_key' } },
      onRequest: async (request) => {
        request.caller = await services.callers.authenticate(request);
      },
      schema: {
        tags,
        operationId: 'grantApiKey',
        summary: "Create a key with the caller's permissions on projects",
        headers: clientHeaders.extend(idempotencyHeaders.shape),
        body: grantKeySchema,
        response: {
          200: z.object({ id: z.string(), key: z.string(), description: z.string() }),
          ...refusals(403, 409),
        },
      },
    },
    async (request, reply) => {
      const { caller } = request;
      const principal = { ...principalOf(caller, request), keyId: caller.key.id };
      const { key, replayed } = await services.keys.grant(
        principal,
        request.body,
        retryGuard(caller, request),
      );
      if (replayed) reply.header('idempotent-replayed', 'true');
      return { id: key.id, key: key.key, description: key.description };
    },
  );

  app.delete<{ Params: { id: string } }>(
    '/:id',
    {
      config: { audit: { action: 'api_key.revoke', targetType: 'api_key', targetId: keyIdOf } },
      onRequest: async (request, reply) => {
        try {
          request.caller = await services.callers.authenticate(request);
        } catch (error) {
          if (!hasEnded(error, request.params.id)) throw error;
          // Success, because the key has already ended. Clients retried forever when this was an error.
          return reply.code(204).send();
        }
      },
      schema: {
        tags,
        operationId: 'revokeOwnApiKey',
        summary: 'Revoke the key of the request',
        description: 'A key can revoke only itself. Succeeds if the key is already expired or revoked.',
        headers: clientHeaders,
        params: idParams,
        querystring: forceQuery,
        response: { 204: z.null().describe('The key is revoked.'), ...refusals(403, 409) },
      },
    },
    async (request, reply) => {
      const { caller, params } = request;
      if (caller.key.id !== params.id) {
        throw new IamError('PERMISSION_DENIED', {
          message: 'With this call, a key can revoke only itself.',
        });
      }
      await services.keys.revoke(principalOf(caller, request), params.id, {
        self: true,
        force: forceOf(request),
      });
      return reply.code(204).send();
    },
  );

  app.post(
    '/_convert',
    {
      // The conversion records the refusal of each item: the caller of this route has no key.
      config: { audit: { action: 'api_key.convert', targetType: 'native_api_key' } },
      onRequest: async (request) => {
        if (services.clientAuthentication.isTrusted(clientProof(request))) return;
        services.callers.countAnonymous(request);
        throw new IamError('CLIENT_AUTHENTICATION', {
          message:
            'This call requires client authentication: an X-Client-Authentication header or a client certificate.',
        });
      },
      schema: {
        tags,
        operationId: 'convertApiKeys',
        summary: 'Convert native Elasticsearch keys',
        description:
          'Creates an internal key for each native key, with its current permissions. Requires client authentication; endpoints must be on the allow list.',
        headers: clientHeaders,
        body: convertKeysSchema,
        response: { 200: convertResponseSchema, ...refusals() },
      },
    },
    (request) => services.conversion.convert(actorOf('client', 'uiam', request), request.body),
  );
}

/** Whether the secret was valid but the key was already expired or revoked. */
function hasEnded(error: unknown, id: string): boolean {
  if (!(error instanceof IamError) || error.resource !== id) return false;
  return error.reason === 'API_KEY_REVOKED' || error.reason === 'API_KEY_EXPIRED';
}

const tags = ['UIAM'];
const clientHeaders = z.object({
  'x-client-authentication': z.string().optional().describe('Client secret of a trusted service.'),
});
const refusals = (...statuses: number[]) =>
  Object.fromEntries([400, 401, 429, 503, ...statuses].map((status) => [status, uiamErrorSchema]));
