import replyFrom from '@fastify/reply-from';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { IamError } from '../errors.ts';

const BASE = '/uiam/api/v1/api-keys';
/** Timeout of a forwarded call; `_convert` calls other services in turn. */
const TIMEOUT_MS = 15_000;

/**
 * A plugin that forwards the three key calls to the control plane, so that a client needs one base URL. While the
 * control plane is unreachable, only these calls return 503.
 *
 * A client certificate is not forwarded: a trusted caller of these calls sends the shared secret.
 *
 * @param controlPlaneUrl base URL, such as `http://control-plane:8081`
 */
export function forwarding(controlPlaneUrl: string) {
  return async (app: FastifyInstance): Promise<void> => {
    await app.register(replyFrom, {
      base: controlPlaneUrl,
      disableRequestLogging: true,
      // These calls are not idempotent: only the client knows whether a retry is safe.
      retryMethods: [],
      maxRetriesOn503: 0,
      undici: { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS, connect: { timeout: 2_000 } },
    });
    const forward = (request: FastifyRequest, reply: FastifyReply) =>
      reply.from(request.url, {
        // The body is already JSON bytes; without `contentType` the plugin would encode it again.
        body: request.body ?? null,
        contentType: 'application/json',
        rewriteRequestHeaders: (_request, headers) => ({
          ...headers,
          'x-forwarded-for': [headers['x-forwarded-for'], request.ip].filter(Boolean).join(', '),
          'x-request-id': request.id,
        }),
        onError: (upstreamReply, { error }) => {
          (upstreamReply as unknown as FastifyReply).send(
            new IamError('CONTROL_PLANE_UNAVAILABLE', { cause: error }),
          );
        },
      });
    app.post(`${BASE}/_grant`, forward);
    app.post(`${BASE}/_convert`, forward);
    app.delete(`${BASE}/:id`, forward);
  };
}
