import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { hasClientCertificate } from '../http/server-options.ts';
import type { Tier } from '../keys/key-store.ts';
import { AUTHENTICATE_PATH } from './authentication-path.ts';
import type { AuthenticationService } from './authentication-service.ts';
import { bodyReadByFastLane } from './fast-lane.ts';

declare module 'fastify' {
  interface FastifyReply {
    /** Where the answer came from; 'none' for refusals. */
    tier: Tier | 'none';
  }
}

/** `POST …/_authenticate`. */
export function authenticationRoute(app: FastifyInstance, service: AuthenticationService): void {
  app.decorateReply('tier', 'none');
  app.post<{ Body: Buffer | undefined }>(
    AUTHENTICATE_PATH,
    {
      preParsing: (request, _reply, payload, done) => {
        const body = bodyReadByFastLane(request.raw);
        done(null, body === undefined ? payload : Readable.from([body]));
      },
    },
    async (request, reply) => {
      const { headers } = request;
      const answer = await service.authenticate({
        authorization: headers.authorization,
        client: {
          secret: headers['x-client-authentication'] as string | undefined,
          certificate: hasClientCertificate(request),
        },
        rawQuery: (request.raw.url ?? '').slice(AUTHENTICATE_PATH.length + 1),
        body: request.body,
      });
      reply.tier = answer.tier;
      return reply.type('application/json; charset=utf-8').send(answer.body);
    },
  );
}
