import type { FastifyInstance } from 'fastify';
import { hasClientCertificate } from '../http/server-options.ts';
import type { Tier } from '../keys/key-store.ts';
import type { AuthenticationService } from './authentication-service.ts';

declare module 'fastify' {
  interface FastifyReply {
    /** Where the answer came from; 'none' for refusals. */
    tier: Tier | 'none';
  }
}

/** Path of the call that Elasticsearch makes. */
export const AUTHENTICATE_PATH = '/uiam/api/v1/authentication/_authenticate';

/** `POST …/_authenticate`. */
export function authenticationRoute(app: FastifyInstance, service: AuthenticationService): void {
  app.decorateReply('tier', 'none');
  app.post<{ Body: Buffer | undefined }>(AUTHENTICATE_PATH, async (request, reply) => {
    const { headers } = request;
    const answer = await service.authenticate({
      authorization: headers.authorization,
      client: {
        secret: headers['x-client-authentication'] as string | undefined,
        certificate: hasClientCertificate(request),
      },
      rawQuery: rawQuery(request.raw.url ?? ''),
      body: request.body,
    });
    reply.tier = answer.tier;
    return reply.type('application/json; charset=utf-8').send(answer.body);
  });
}

function rawQuery(url: string): string {
  const mark = url.indexOf('?');
  return mark < 0 ? '' : url.slice(mark + 1);
}
