import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { IamError } from '../errors.ts';
import { GrowingBuffer } from '../lib/growing-buffer.ts';
import type { BodyLease } from './body-budget.ts';
import type { Traffic } from './traffic.ts';

export interface RequestBodiesOptions {
  /** Time for a body to arrive. */
  timeoutMs: number;
  traffic: Traffic;
}

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Reads a body for a content type parser, up to the `bodyLimit` of its route. It stays in the budget until the response is sent.
     * A request without a route is refused anyway, so its body is not read.
     * @throws {IamError} 408, 413 or 503
     */
    readBody(request: FastifyRequest, payload: IncomingMessage): Promise<Buffer>;
  }
  interface FastifyRequest {
    bodyLease: BodyLease | undefined;
  }
}

const EMPTY = Buffer.alloc(0);

/** Adds `readBody`, which bounds the memory of bodies and the time of slow ones. */
export const requestBodies = fp<RequestBodiesOptions>(
  async (app, { timeoutMs, traffic }) => {
    app.decorateRequest('bodyLease', undefined);
    app.decorate('readBody', async (request: FastifyRequest, payload: IncomingMessage) => {
      if (request.is404) return EMPTY;
      const { bodyLimit } = request.routeOptions;
      const length = Number(request.headers['content-length'] ?? bodyLimit);
      if (length > bodyLimit) throw new IamError('BODY_TOO_LARGE');
      const lease = traffic.bodies.lease(request.senderNetwork);
      request.bodyLease = lease;
      try {
        return await collect(
          payload,
          new GrowingBuffer((capacity) => lease.resize(capacity), length),
          timeoutMs,
        );
      } catch (error) {
        const { reason } = error as IamError;
        if (reason === 'BODIES_OVERLOADED') traffic.refused('body_budget');
        if (reason === 'REQUEST_TIMEOUT') traffic.refused('body_timeout');
        throw error;
      }
    });
    app.addHook('onRequest', async (request, reply) => {
      // Also without a response, when the client disconnects.
      reply.raw.once('close', () => {
        request.bodyLease?.close();
        if (!request.raw.complete && !request.raw.destroyed) discard(request.raw, timeoutMs);
      });
    });
    // Fastify closes the connection after an error of a body. The client may still send, so the close could reset the
    // connection before the client has read the response.
    app.addHook('onSend', async (request, reply) => {
      if (!request.raw.complete && reply.statusCode !== 408 && reply.hasHeader('connection')) {
        reply.removeHeader('connection');
      }
    });
  },
  { name: 'request-bodies', dependencies: ['sender-address'] },
);

function collect(payload: IncomingMessage, buffer: GrowingBuffer, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      payload.off('data', onData).off('end', onEnd).off('error', onAbort).off('close', onAbort);
    };
    const refuse = (error: IamError) => {
      stop();
      // The rest is discarded.
      payload.resume();
      reject(error);
    };
    const onData = (chunk: Buffer) => {
      if (buffer.length + chunk.length > buffer.maxLength) refuse(new IamError('BODY_TOO_LARGE'));
      else if (!buffer.append(chunk)) refuse(new IamError('BODIES_OVERLOADED'));
    };
    const onEnd = () => {
      stop();
      resolve(buffer.bytes);
    };
    const onAbort = () => refuse(new IamError('REQUEST_INVALID'));
    const timer = setTimeout(() => refuse(new IamError('REQUEST_TIMEOUT')), timeoutMs);
    payload.on('data', onData).on('end', onEnd).on('error', onAbort).on('close', onAbort);
  });
}

/** Discards the rest of a body, for a bounded time, so that the client can finish it. */
function discard(raw: IncomingMessage, timeoutMs: number): void {
  const timer = setTimeout(() => raw.socket.destroy(), timeoutMs);
  raw.once('close', () => clearTimeout(timer));
}
