import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { IamError } from '../../errors.ts';
import { uiamErrorSchema } from '../../http/openapi.ts';
import type { ClientAuthentication } from '../../keys/client-authentication.ts';
import type { KeyAuthenticator } from '../../keys/key-authenticator.ts';
import { convertKeysSchema, convertResponseSchema, type KeyConversion } from '../convert/convert-keys.ts';
import { actorOf, authenticateCaller, clientProof, principalOf, retryGuard } from '../http/caller.ts';
import type { RefusalTrail } from '../http/refusal-trail.ts';
import { forceQuery, idempotencyHeaders, idParams } from '../http/schemas.ts';
import { grantKeySchema } from '../keys/grant-key.ts';
import type { KeyLifecycle } from '../keys/key-lifecycle.ts';
import { forced } from './keys.ts';

/** What the UIAM calls stand on. */
export interface UiamServices {
  authenticator: KeyAuthenticator;
  clientAuthentication: ClientAuthentication;
  keys: KeyLifecycle;
  conversion: KeyConversion;
  refusals: RefusalTrail;
}

/** The key calls of services: `_grant`, revocation by the key itself, `_convert`. Errors are those of `_authenticate`. */
export async function uiamRoutes(app: FastifyInstance, services: UiamServices): Promise<void> {
  app.post('/_grant', { schema: docs.grant }, async (request, reply) => {
    const caller = await services.refusals.watch(request, () =>
      authenticateCaller(services.authenticator, request),
    );
    const principal = { ...principalOf(caller, request), keyId: caller.key.id };
    const { key, replayed } = await services.keys.grant(principal, request.body, retryGuard(caller, request));
    if (replayed) reply.header('idempotent-replayed', 'true');
    reply.cacheControl('no-store');
    return { id: key.id, key: key.key, description: key.description };
  });

  app.delete<{ Params: { id: string } }>('/:id', { schema: docs.revoke }, async (request, reply) => {
    const { id } = request.params;
    try {
      const caller = await authenticateCaller(services.authenticator, request);
      if (caller.key.id !== id) {
        throw new IamError('PERMISSION_DENIED', { message: 'A key can revoke only itself here.' });
      }
      await services.keys.revoke(principalOf(caller, request), id, { self: true, force: forced(request) });
    } catch (error) {
      // A key that is gone is what was asked for; clients tried again for ever when it was an error.
      if (!isGone(error, id)) throw error;
    }
    return reply.code(204).send();
  });

  app.post('/_convert', { schema: docs.convert }, async (request, reply) => {
    if (!services.clientAuthentication.isTrusted(clientProof(request))) {
      throw new IamError('CLIENT_AUTHENTICATION', {
        message: 'This call needs client authentication (X-Client-Authentication or a client certificate).',
      });
    }
    reply.cacheControl('no-store');
    return services.conversion.convert(actorOf('client', 'uiam', request), request.body);
  });
}

/** Whether the secret was right and the key had ended already. */
function isGone(error: unknown, id: string): boolean {
  if (!(error instanceof IamError) || error.resource !== id) return false;
  return error.reason === 'API_KEY_REVOKED' || error.reason === 'API_KEY_EXPIRED';
}

const tags = ['UIAM'];
const clientHeaders = z.object({
  'x-client-authentication': z.string().optional().describe('The shared secret of a trusted caller.'),
});
const refusals = (...statuses: number[]) =>
  Object.fromEntries([400, 401, 429, 503, ...statuses].map((status) => [status, uiamErrorSchema]));

const docs = {
  grant: {
    tags,
    summary: "Make a key with the caller's permissions on projects",
    headers: clientHeaders.extend(idempotencyHeaders.shape),
    body: grantKeySchema,
    response: {
      200: z.object({ id: z.string(), key: z.string(), description: z.string() }),
      ...refusals(403, 409),
    },
  },
  revoke: {
    tags,
    summary: 'Revoke the key that the call is made with',
    description: 'A key that has ended already is no error.',
    headers: clientHeaders,
    params: idParams,
    querystring: forceQuery,
    response: { 204: z.null().describe('It is revoked.'), ...refusals(403, 409) },
  },
  convert: {
    tags,
    summary: 'Convert native Elasticsearch keys',
    description:
      'Makes an internal key for each, with the permissions it has now. Client authentication only; allow-listed endpoints only.',
    headers: clientHeaders,
    body: convertKeysSchema,
    response: { 200: convertResponseSchema, ...refusals() },
  },
};
