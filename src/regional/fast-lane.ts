import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { type AuthenticationCall, callDigest } from './authentication-call.ts';
import type { AuthenticationMetrics } from './authentication-metrics.ts';
import { AUTHENTICATE_PATH } from './authentication-path.ts';
import type { AuthenticationService } from './authentication-service.ts';

const refusal = Symbol('why the fast lane could not grant the request');

type LaneRequest = IncomingMessage & { [refusal]?: unknown };

/** What was thrown while the fast lane worked on a request that it then passed on; `undefined` for any other. */
export function refusalInFastLane(request: LaneRequest): unknown {
  return request[refusal];
}

/**
 * Answers calls of the usual form before Fastify sees them: no routing, no hooks, no parsing of what was parsed
 * before, and for what is in memory nothing at all but one digest. Requests of any other form, and every refusal, go
 * on to Fastify, so there is one place that renders errors. The differential test compares both ways byte by byte.
 */
export class FastLane {
  /** While the server closes Fastify answers, since it also tells clients to let go of the connection. */
  closed = false;
  readonly #service: AuthenticationService;
  readonly #metrics: AuthenticationMetrics;
  readonly #bodyLimit: number;

  /** @param bodyLimit most bytes of a body; what is longer is Fastify's to refuse */
  constructor(service: AuthenticationService, metrics: AuthenticationMetrics, bodyLimit: number) {
    this.#service = service;
    this.#metrics = metrics;
    this.#bodyLimit = bodyLimit;
  }

  /** Puts the lane before Fastify's listener. */
  before(next: RequestListener): RequestListener {
    return (request: LaneRequest, response) => {
      if (this.closed || !isPlain(request, this.#bodyLimit)) return next(request, response);
      const startedAtMs = performance.now();
      const take = (body: Buffer | undefined) => {
        this.#answer(callOf(request, body), response, startedAtMs, (error) => {
          request[refusal] = error;
          next(request, response);
        });
      };
      if (hasBody(request)) readBody(request, take);
      else take(undefined);
    };
  }

  #answer(
    call: AuthenticationCall,
    response: ServerResponse,
    startedAtMs: number,
    refuse: (error: unknown) => void,
  ): void {
    const digest = callDigest(call);
    const known = this.#service.recall(digest);
    if (known !== undefined) {
      send(response, known);
      this.#metrics.observeMemoryHit(performance.now() - startedAtMs);
      return;
    }
    this.#service.authenticate(call, digest).then(({ body, tier }) => {
      send(response, body);
      this.#metrics.observe('granted', tier, (performance.now() - startedAtMs) / 1_000);
    }, refuse);
  }
}

function callOf(
  { headers, url = '', socket }: IncomingMessage,
  body: Buffer | undefined,
): AuthenticationCall {
  return {
    authorization: headers.authorization,
    client: {
      secret: headers['x-client-authentication'] as string | undefined,
      certificate: (socket as { authorized?: boolean }).authorized === true,
    },
    rawQuery: url.slice(AUTHENTICATE_PATH.length + 1),
    body,
  };
}

function send(response: ServerResponse, body: string): void {
  response.writeHead(200, [
    'content-type',
    'application/json; charset=utf-8',
    'content-length',
    String(body.length),
  ]);
  response.end(body, 'latin1');
}

/** Whether a request has just the form that callers use: the usual content type, a length, a host. */
function isPlain({ method, url = '', headers }: IncomingMessage, bodyLimit: number): boolean {
  if (method !== 'POST' || !url.startsWith(AUTHENTICATE_PATH)) return false;
  if (url.length > AUTHENTICATE_PATH.length && url[AUTHENTICATE_PATH.length] !== '?') return false;
  if (headers.host === undefined || headers['transfer-encoding'] !== undefined) return false;
  const { 'content-type': type, 'content-length': length } = headers;
  if (type !== 'application/json' && !(type === undefined && length === undefined)) return false;
  return length === undefined || Number(length) <= bodyLimit;
}

function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return length !== undefined && length !== '0';
}

function readBody(request: IncomingMessage, done: (body: Buffer) => void): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => done(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
}
