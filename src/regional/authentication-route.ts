import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { LONG_BODY_MS, type LongBody, SLICE_BYTES } from '../http/response-budget.ts';
import type { Tier } from '../keys/key-store.ts';
import { AUTHENTICATE_PATH, type AuthenticationCall, callDigest } from './authentication-call.ts';
import type { AuthenticationService } from './authentication-service.ts';

declare module 'fastify' {
  interface FastifyReply {
    /** Slowest tier that the response needed; 'none' for errors. */
    tier: Tier | 'none';
  }
}

/** `POST …/_authenticate` for requests that the fast lane does not parse. */
export function authenticationRoute(app: FastifyInstance, service: AuthenticationService): void {
  app.decorateReply('tier', 'none');
  const onRequest = async (request: FastifyRequest) =>
    service.assertHead(request.headers.authorization, request.hasClientCertificate);
  app.post<{ Body: Buffer | undefined }>(AUTHENTICATE_PATH, { onRequest }, async (request, reply) => {
    const { headers } = request;
    const call: AuthenticationCall = {
      authorization: headers.authorization,
      client: {
        secret: headers['x-client-authentication'] as string | undefined,
        certificate: request.hasClientCertificate,
      },
      rawQuery: (request.raw.url ?? '').slice(AUTHENTICATE_PATH.length + 1),
      body: request.body?.toString('latin1'),
      peer: request.senderNetwork,
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
    reply.type('application/json; charset=utf-8');
    if (typeof body === 'string') return reply.send(body);
    return reply.header('content-length', String(body.text.length)).send(streamOf(body));
  });
}

function streamOf({ text, release }: LongBody): Readable {
  async function* slices() {
    for (let at = 0; at < text.length; at += SLICE_BYTES) {
      if (at > 0) await setImmediate();
      yield Buffer.from(text.slice(at, at + SLICE_BYTES), 'latin1');
    }
  }
  const stream = Readable.from(slices(), { objectMode: false, signal: AbortSignal.timeout(LONG_BODY_MS) });
  return stream.once('close', release);
}
