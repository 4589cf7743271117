import type { IncomingHttpHeaders } from 'node:http';
import { buffer } from 'node:stream/consumers';
import replyFrom from '@fastify/reply-from';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { IamError } from '../errors.ts';
import { CLIENT_ADDRESS_HEADER, FORWARDING_SECRET_HEADER } from '../http/forwarding-headers.ts';
import { endToEndHeaders } from '../http/hop-by-hop-headers.ts';
import type { ResponseBudget } from '../http/response-budget.ts';
import { decodeAuthorization } from '../keys/authorization-header.ts';
import type { ClientAuthentication } from '../keys/client-authentication.ts';
import type { KeyArrival } from '../keys/key-arrival.ts';
import { LogLimiter } from '../lib/log-limiter.ts';
import { Slots } from '../lib/slots.ts';
import type { RegionControlPlane } from './control-plane.ts';

const BASE = '/uiam/api/v1';
/** How long the control plane may be silent during a call. */
const TIMEOUT_MS = 10_000;
/** A `_convert` of a thousand keys calls other services for each. */
const CONVERT_TIMEOUT_MS = 60_000;
/** How long the response to a call that creates keys waits for the keys to reach this region. */
const ARRIVAL_TIMEOUT_MS = 1_000;
const MAX_LOGGED_IDS = 10;
/** Connections of the plugin to the control plane; any client can occupy some. */
const SLOTS = 128;
const MAX_WAITING = 256;
const MAX_WAIT_MS = 2_000;
const WARNING_HEADER = 'x-iam-warning';

/**
 * A plugin that forwards the key calls to the control plane, so that a client needs one base URL. While the control plane is
 * unreachable, only these calls return 503.
 *
 * Elasticsearch uses a granted key at once, in the same region. So the response to a call that creates keys waits until the
 * replica has them; after a second it returns with a warning header.
 *
 * A call whose head cannot lead to success is refused here, before its body is read, so that it occupies no connection. The token
 * calls are never forwarded, because this release issues no tokens.
 *
 * The region reads each response as a whole before it sends it, so that a client that does not read occupies no connection.
 *
 * A client certificate is not forwarded: a trusted caller of these calls sends the shared secret.
 */
export function forwarding(
  { url, authorities, secret }: RegionControlPlane,
  { acceptedPrefixes, clientAuthentication, arrival, budget }: ForwardingDeps,
) {
  const assertProof: Record<Forwarded['proof'], (headers: IncomingHttpHeaders) => void> = {
    credential: ({ authorization }) => void decodeAuthorization(authorization, acceptedPrefixes),
    clientSecret: (headers) => assertClientSecret(clientAuthentication, headers),
  };
  return async (app: FastifyInstance): Promise<void> => {
    await app.register(replyFrom, {
      base: url,
      disableRequestLogging: true,
      // These calls are not idempotent: only the client knows whether a retry is safe.
      retryMethods: [],
      maxRetriesOn503: 0,
      // The plugin would accept any certificate by default.
      undici: {
        connect: { timeout: 2_000, rejectUnauthorized: true, ...(authorities && { ca: authorities }) },
      },
    });
    const limiter = new LogLimiter(Date.now);
    const slots = new Slots({
      slots: SLOTS,
      waiting: MAX_WAITING,
      waitMs: MAX_WAIT_MS,
      refusal: () => new IamError('FORWARDING_OVERLOADED'),
    });
    /** Waits until the region has the keys of a response. */
    const noteArrival = async (reply: FastifyReply, body: Buffer) => {
      const ids = createdIds(body.toString());
      if (ids.length === 0 || (await arrival.wait(ids, ARRIVAL_TIMEOUT_MS))) return;
      reply.header(WARNING_HEADER, 'a created key has not reached this region yet');
      const suppressed = limiter.admit('late');
      if (suppressed === undefined) return;
      app.log.warn(
        { keys: ids.slice(0, MAX_LOGGED_IDS), suppressed },
        'keys have not reached this region a second after their creation; check the subscription and iam_heartbeat_age_seconds',
      );
    };
    /** Counts an unread response in the budget. @returns false beyond it: then the call keeps its slot, so that slots bound the rest */
    const count = (reply: FastifyReply, bytes: number, client: string) => {
      const release = budget.tryReserve(bytes, `client ${client}`);
      if (release !== undefined) reply.raw.once('close', release);
      return release !== undefined;
    };
    const forward = (
      request: FastifyRequest,
      reply: FastifyReply,
      { createsKeys, timeoutMs }: Forwarded,
      onReceived: () => void,
    ) => {
      const fail = (cause: unknown) => {
        onReceived();
        reply.send(new IamError('CONTROL_PLANE_UNAVAILABLE', { cause }));
      };
      const pass = async (stream: NodeJS.ReadableStream) => {
        try {
          const body = await buffer(stream);
          if (reply.raw.destroyed || count(reply, body.length, request.senderNetwork)) onReceived();
          else reply.raw.once('close', onReceived);
          if (createsKeys && reply.statusCode === 200) await noteArrival(reply, body);
          reply.send(body);
        } catch (error) {
          fail(error);
        }
      };
      return reply.from(pathOf(request), {
        queryString: () => queryOf(request.url),
        timeout: timeoutMs,
        // The body is already JSON bytes; without `contentType` the plugin would encode it again.
        body: request.body ?? null,
        contentType: 'application/json',
        rewriteRequestHeaders: (_request, headers) => forwardedHeaders(request, headers, secret()),
        rewriteHeaders: (headers) => {
          // Then the plugin discards the response and calls nothing else.
          if (request.raw.aborted) onReceived();
          return endToEndHeaders(headers);
        },
        onResponse: (_request: unknown, _reply: unknown, response: unknown) =>
          void pass((response as UpstreamResponse).stream),
        onError: (_reply, { error }) => fail(error),
      });
    };
    for (const { method, path, ...call } of CALLS) {
      // The plugin logs every failed call with its stack as a warning. ErrorLog does it with a limit.
      app.route({
        method,
        url: `${BASE}${path}`,
        logLevel: 'error',
        onRequest: async ({ headers }) => assertProof[call.proof](headers),
        handler: async (request, reply) => {
          await slots.run(async () => {
            // The client may have left while the call waited.
            if (reply.raw.destroyed) return;
            const received = Promise.withResolvers<void>();
            forward(request, reply, call, received.resolve);
            // Also if the client leaves: the control plane still works for it, and further calls would queue without a bound.
            await received.promise;
          });
          return reply;
        },
      });
    }
    for (const path of ['/tokens/_refresh', '/tokens/_invalidate'])
      app.post(`${BASE}${path}`, { onRequest: refuseToken }, refuseToken);
  };
}

/** As the control plane does. */
async function refuseToken(): Promise<never> {
  throw new IamError('TOKEN_UNKNOWN');
}

/**
 * Both servers must accept the secret. A region without secrets, whose callers have certificates, leaves the comparison to the control
 * plane. @throws {IamError} 401
 */
function assertClientSecret(accepted: ClientAuthentication, headers: IncomingHttpHeaders): void {
  const presented = headers['x-client-authentication'] as string | undefined;
  if (presented && (!accepted.hasSecrets || accepted.isTrusted({ secret: presented, certificate: false })))
    return;
  throw new IamError('CLIENT_AUTHENTICATION', {
    message: 'Through a region, this call requires an X-Client-Authentication header that is valid.',
  });
}

export interface ForwardingDeps {
  /** Prefixes of credentials. */
  acceptedPrefixes: readonly string[];
  clientAuthentication: ClientAuthentication;
  arrival: KeyArrival;
  /** Of all unread responses of the process. */
  budget: ResponseBudget;
}

interface Forwarded {
  /** What the call needs. */
  proof: 'credential' | 'clientSecret';
  createsKeys: boolean;
  timeoutMs: number;
}

const CALLS: readonly (Forwarded & { method: string; path: string })[] = [
  {
    method: 'POST',
    path: '/api-keys/_grant',
    proof: 'credential',
    createsKeys: true,
    timeoutMs: TIMEOUT_MS,
  },
  {
    method: 'POST',
    path: '/api-keys/_convert',
    proof: 'clientSecret',
    createsKeys: true,
    timeoutMs: CONVERT_TIMEOUT_MS,
  },
  {
    method: 'DELETE',
    path: '/api-keys/:id',
    proof: 'credential',
    createsKeys: false,
    timeoutMs: TIMEOUT_MS,
  },
];

/** The path of the call, from its route. The path in the request could lead to other calls of the control plane. */
function pathOf({ routeOptions, params }: FastifyRequest): string {
  const { id } = params as { id?: string };
  return String(routeOptions.url).replace(':id', encodeURIComponent(id ?? ''));
}

/** The query of a request target, without the fragment that some clients send. */
function queryOf(url: string): string {
  const [target = ''] = url.split('#');
  return target.split('?').slice(1).join('?');
}

/** The client cannot set the headers of this region. */
function forwardedHeaders(
  request: FastifyRequest,
  { [FORWARDING_SECRET_HEADER]: _secret, [CLIENT_ADDRESS_HEADER]: _address, ...headers }: IncomingHttpHeaders,
  secret: string | undefined,
): IncomingHttpHeaders {
  return {
    ...endToEndHeaders(headers),
    'x-forwarded-for': [headers['x-forwarded-for'], request.raw.socket.remoteAddress]
      .filter(Boolean)
      .join(', '),
    'x-request-id': request.id,
    ...(secret !== undefined && {
      [FORWARDING_SECRET_HEADER]: secret,
      [CLIENT_ADDRESS_HEADER]: request.senderAddress,
    }),
  };
}

interface UpstreamResponse {
  stream: NodeJS.ReadableStream;
}

/** Ids in a response of `_grant` or `_convert`. */
function createdIds(body: string): string[] {
  const { id, results = [] } = JSON.parse(body) as { id?: string; results?: { id?: string }[] };
  return [id, ...results.map((result) => result.id)].filter((created) => created !== undefined);
}
