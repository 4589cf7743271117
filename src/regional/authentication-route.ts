import type { FastifyInstance } from 'fastify';
import { hasClientCertificate } from '../http/server-options.ts';
import type { Tier } from '../keys/key-store.ts';
import { type AuthenticationCall, callDigest } from './authentication-call.ts';
import { AUTHENTICATE_PATH } from './authentication-path.ts';
import type { AuthenticationService } from './authentication-service.ts';

declare module 'fastify' {
  interface FastifyReply {
    /** Where the answer came from; 'none' for refusals. */
    tier: Tier | 'none';
  }
}

/** `POST …/_authenticate`: requests of an unusual form. */
export function authenticationRoute(app: FastifyInstance, service: AuthenticationService): void {
  app.decorateReply('tier', 'none');
  app.post<{ Body: Buffer | undefined }>(AUTHENTICATE_PATH, async (request, reply) => {
    const { headers } = request;
    const call: AuthenticationCall = {
      authorization: headers.authorization,
      client: {
        secret: headers['x-client-authentication'] as string | undefined,
        certificate: hasClientCertificate(request),
      },
      rawQuery: (request.raw.url ?? '').slice(AUTHENTICATE_PATH.length + 1),
      body: request.body?.toString('latin1'),
    };
    const digest = callDigest(call);
    const known = service.recall(digest);
    const answer =
      known === undefined
        ? await service.authenticate(call, digest)
        : { body: known, tier: 'memory' as const };
    reply.tier = answer.tier;
    return reply.type('application/json; charset=utf-8').send(answer.body);
  });
}
