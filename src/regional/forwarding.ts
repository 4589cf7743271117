import replyFrom from '@fastify/reply-from';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { IamError } from '../errors.ts';

const BASE = '/uiam/api/v1/api-keys';
/** Longest a forwarded call may take; `_convert` asks other services in turn. */
const TIMEOUT_MS = 15_000;

/**
 * A plugin that hands the three key calls on to the control plane, so that a client needs one base URL. Everything
 * else on the region goes on without it: while the control plane is away these calls alone are 503.
 *
 * Client certificates end here: a trusted caller of these calls sends the shared secret.
 *
 * @param controlPlaneUrl base URL, such as `http://control-plane:8081`
 */
export function forwarding(controlPlaneUrl: string) {
  return async (app: FastifyInstance): Promise<void> => {
    await app.register(replyFrom, {
      base: controlPlaneUrl,
      disableRequestLogging: true,
      // Each of these calls changes something: only the client knows whether it may be repeated.
      retryMethods: [],
      maxRetriesOn503: 0,
      undici: { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS, connect: { timeout: 2_000 } },
    });
    const forward = (request: FastifyRequest, reply: FastifyReply) =>
      reply.from(request.url, {
        // Bodies are bytes here; the plugin would encode them as JSON once more.
        body: request.body ?? null,
        contentType: 'application/json',
        rewriteRequestHeaders: (_request, headers) => ({
          ...headers,
          'x-forwarded-for': [headers['x-forwarded-for'], request.ip].filter(Boolean).join(', '),
          'x-request-id': request.id,
        }),
        onError: (answer, { error }) => {
          (answer as unknown as FastifyReply).send(
            new IamError('CONTROL_PLANE_UNAVAILABLE', { cause: error }),
          );
        },
      });
    app.post(`${BASE}/_grant`, forward);
    app.post(`${BASE}/_convert`, forward);
    app.delete(`${BASE}/:id`, forward);
  };
}
