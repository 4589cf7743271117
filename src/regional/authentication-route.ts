import type { FastifyInstance } from 'fastify';
import { hasClientCertificate } from '../http/server-options.ts';
import type { AuthenticationService } from './authentication-service.ts';

/** Path of the call that Elasticsearch makes. */
export const AUTHENTICATE_PATH = '/uiam/api/v1/authentication/_authenticate';

/** `POST …/_authenticate`. */
export function authenticationRoute(app: FastifyInstance, service: AuthenticationService): void {
  app.post<{ Body: Buffer | undefined }>(AUTHENTICATE_PATH, async (request, reply) => {
    const { headers } = request;
    const answer = await service.authenticate({
      authorization: headers.authorization,
      client: {
        secret: headers['x-client-authentication'] as string | undefined,
        certificate: hasClientCertificate(request),
      },
      query: request.query,
      body: request.body,
    });
    return reply.type('application/json; charset=utf-8').send(answer);
  });
}
