import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AnswerCache } from './answer-cache.ts';
import { callDigest } from './authentication-call.ts';
import type { AuthenticationMetrics } from './authentication-metrics.ts';
import { AUTHENTICATE_PATH } from './authentication-path.ts';

const requestBody = Symbol('body that the fast lane has read');

type LaneRequest = IncomingMessage & { [requestBody]?: Buffer };

/** The body of a request that the fast lane has read and then passed on; its stream is at its end. */
export function bodyReadByFastLane(request: LaneRequest): Buffer | undefined {
  return request[requestBody];
}

/**
 * Answers what is in memory before Fastify sees it: no routing, no hooks, no parsing, nothing serialised. It takes
 * only plain requests of the usual form and passes on everything else, and every miss, so what a caller gets is
 * decided in one place only; the differential test compares both ways byte by byte.
 */
export class FastLane {
  /** While the server closes Fastify answers, since it also tells clients to let go of the connection. */
  closed = false;
  readonly #answers: AnswerCache;
  readonly #metrics: AuthenticationMetrics;

  constructor(answers: AnswerCache, metrics: AuthenticationMetrics) {
    this.#answers = answers;
    this.#metrics = metrics;
  }

  /** Puts the lane before Fastify's listener. */
  before(next: RequestListener): RequestListener {
    return (request: LaneRequest, response) => {
      if (this.closed || !isPlain(request)) return next(request, response);
      const startedAtMs = performance.now();
      const answerOrPass = (body: Buffer | undefined) => {
        if (this.#answered(request, response, body))
          this.#metrics.observeMemoryHit(performance.now() - startedAtMs);
        else next(request, response);
      };
      if (!hasBody(request)) return answerOrPass(undefined);
      readBody(request, (body) => {
        request[requestBody] = body;
        answerOrPass(body);
      });
    };
  }

  /** A fault in here must not cost the caller the answer that the long way has. */
  #answered(request: IncomingMessage, response: ServerResponse, body: Buffer | undefined): boolean {
    try {
      return this.#answer(request, response, body);
    } catch (error) {
      if (response.headersSent) throw error;
      return false;
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: Buffer | undefined): boolean {
    const { headers, url = '' } = request;
    const digest = callDigest({
      authorization: headers.authorization,
      client: {
        secret: headers['x-client-authentication'] as string | undefined,
        certificate: (request.socket as { authorized?: boolean }).authorized === true,
      },
      rawQuery: url.slice(AUTHENTICATE_PATH.length + 1),
      body,
    });
    const answer = this.#answers.get(digest);
    if (answer === undefined) return false;
    response.writeHead(200, [
      'content-type',
      'application/json; charset=utf-8',
      'content-length',
      String(answer.length),
    ]);
    response.end(answer, 'latin1');
    return true;
  }
}

/** Larger bodies are left to Fastify, which knows the limit. */
const LARGEST_BODY = 262_144;

/** Whether a request has just the form that callers use: the usual content type, a length, a host. */
function isPlain({ method, url = '', headers }: IncomingMessage): boolean {
  if (method !== 'POST' || !url.startsWith(AUTHENTICATE_PATH)) return false;
  if (url.length > AUTHENTICATE_PATH.length && url[AUTHENTICATE_PATH.length] !== '?') return false;
  if (headers.host === undefined || headers['transfer-encoding'] !== undefined) return false;
  const { 'content-type': type, 'content-length': length } = headers;
  if (type !== 'application/json' && !(type === undefined && length === undefined)) return false;
  return length === undefined || Number(length) <= LARGEST_BODY;
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
