import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { LongBody } from '../http/response-budget.ts';
import { writeInSlices } from '../http/wire/sliced-write.ts';
import type { Tier } from '../keys/key-store.ts';
import { AUTHENTICATE_PATH, type AuthenticationCall, callDigest } from './authentication-call.ts';
import { MAX_BODY_BYTES } from './authentication-request.ts';
import type { AuthenticationService } from './authentication-service.ts';

declare module 'fastify' {
  interface FastifyReply {
    /** Slowest tier that the response needed; 'none' for errors. */
    tier: Tier | 'none';
  }
}

const JSON_TYPE = 'application/json; charset=utf-8';

/** `POST …/_authenticate` for requests that the fast lane does not parse. */
export function authenticationRoute(app: FastifyInstance, service: AuthenticationService): void {
  app.decorateReply('tier', 'none');
  const onRequest = async (request: FastifyRequest) =>
    service.assertHead(request.headers.authorization, request.hasClientCertificate);
  const bodyLimit = Math.min(MAX_BODY_BYTES, app.initialConfig.bodyLimit ?? MAX_BODY_BYTES);
  app.post<{ Body: Buffer | undefined }>(
    AUTHENTICATE_PATH,
    { onRequest, bodyLimit },
    async (request, reply) => {
      const { headers } = request;
      const call: AuthenticationCall = {
        authorization: headers.authorization,
        client: {
          secret: headers['x-client-authentication'] as string | undefined,
          certificate: request.hasClientCertificate,
        },
        rawQuery: (request.raw.url ?? '').slice(AUTHENTICATE_PATH.length + 1),
        body: request.body?.toString('latin1'),
        network: request.senderNetwork,
        isGone: () => request.raw.socket.destroyed,
      };
      const digest = callDigest(call);
      const cached = service.lookup(digest);
      const response =
        cached === undefined
          ? await service.authenticate(call, digest)
          : { body: cached, tier: 'memory' as const };
      reply.tier = response.tier;
      const { body } = response;
      if (typeof body === 'string') return reply.type(JSON_TYPE).send(body);
      sendLong(reply, body);
      return reply;
    },
  );
}

/** Without Fastify, which sends bodies whole or as a stream that has a buffer of its own. */
function sendLong(reply: FastifyReply, { text, release }: LongBody): void {
  const { raw } = reply.hijack();
  raw.writeHead(200, { 'content-type': JSON_TYPE, 'content-length': text.length });
  writeInSlices(raw, '', text, () => {
    release();
    raw.end();
  });
}
