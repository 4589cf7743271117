import replyFrom from '@fastify/reply-from';
import type { FastifyInstance } from 'fastify';
import type { Counter } from 'prom-client';
import { IamError } from '../../errors.ts';
import { outcomeOf } from '../authentication-metrics.ts';
import { FORWARDED_CALLS, TOKEN_CALLS } from './forwarded-calls.ts';
import { Forwarder, type ForwarderDeps, SLOTS } from './forwarder.ts';

const CONNECT_TIMEOUT_MS = 2_000;

export interface ForwardingDeps extends Omit<ForwarderDeps, 'logger'> {
  calls: Counter<'outcome'>;
}

/**
 * A plugin that forwards the key calls to the control plane, so that a client needs one base URL. While the control plane is
 * unreachable, only these calls return 503.
 *
 * A call whose head cannot lead to success is refused here, before its body is read, so that it occupies no connection. The token
 * calls are never forwarded, because this release issues no tokens.
 *
 * A client certificate is not forwarded: a trusted caller of these calls sends the shared secret.
 */
export function forwarding({ calls, ...deps }: ForwardingDeps) {
  const { url, authorities } = deps.controlPlane;
  return async (app: FastifyInstance): Promise<void> => {
    await app.register(replyFrom, {
      base: url,
      disableRequestLogging: true,
      // These calls are not idempotent: only the client knows whether a retry is safe.
      retryMethods: [],
      maxRetriesOn503: 0,
      // The plugin would accept any certificate by default.
      undici: {
        connections: SLOTS,
        connect: {
          timeout: CONNECT_TIMEOUT_MS,
          rejectUnauthorized: true,
          ...(authorities && { ca: authorities }),
        },
      },
    });
    const forwarder = new Forwarder({ ...deps, logger: app.log });
    app.addHook('onClose', async () => forwarder.stop());
    app.addHook('onResponse', async (_request, reply) => {
      if (reply.raw.headersSent) calls.inc({ outcome: outcomeOf(reply.statusCode) });
    });
    for (const call of FORWARDED_CALLS) {
      // The plugin logs every failed call with its stack as a warning. ErrorLog does it with a limit.
      app.route({
        method: call.method,
        url: call.url,
        logLevel: 'error',
        onRequest: async ({ headers }) => forwarder.assertForwardable(call, headers),
        handler: (request, reply) => forwarder.forward(call, request, reply),
      });
    }
    for (const path of TOKEN_CALLS) app.post(path, { onRequest: refuseToken }, refuseToken);
  };
}

async function refuseToken(): Promise<never> {
  throw new IamError('TOKEN_UNKNOWN');
}
