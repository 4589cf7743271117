import type { ClientAddresses } from '../http/client-addresses.ts';
import type { ErrorLog } from '../http/error-log.ts';
import { type Refusal, refusalOf, toIamError } from '../http/error-rendering.ts';
import { requestIds } from '../http/request-id.ts';
import type { ClientConnection, PlainResponse } from '../http/wire/plain-connection.ts';
import type { PlainHeaders, PlainRequest } from '../http/wire/plain-request.ts';
import { QuarantinedKeyError } from '../keys/key-record.ts';
import { type AuthenticationCall, callDigest } from './authentication-call.ts';
import { type AuthenticationMetrics, outcomeOf } from './authentication-metrics.ts';
import type { AuthenticationService } from './authentication-service.ts';
import type { RequestLimit } from './request-limit.ts';

/**
 * Answers calls of the plain form at the socket, before node:http: no routing, hooks or streams. A hit in memory costs
 * one digest. A differential test compares its responses with those of the route byte by byte.
 */
export class FastLane {
  readonly #service: AuthenticationService;
  readonly #metrics: AuthenticationMetrics;
  readonly #errorLog: ErrorLog;
  readonly #addresses: ClientAddresses;
  readonly #limit: RequestLimit;
  readonly #requestId = requestIds();

  constructor(
    service: AuthenticationService,
    metrics: AuthenticationMetrics,
    errorLog: ErrorLog,
    addresses: ClientAddresses,
    limit: RequestLimit,
  ) {
    this.#service = service;
    this.#metrics = metrics;
    this.#errorLog = errorLog;
    this.#addresses = addresses;
    this.#limit = limit;
  }

  /** Whether a call with this head can succeed. */
  admits(headers: PlainHeaders, { certificate }: ClientConnection): boolean {
    try {
      this.#service.assertHead(headers.authorization, certificate);
      return true;
    } catch {
      return false;
    }
  }

  /** Never throws or rejects. */
  respond(
    { headers, rawQuery, body }: PlainRequest,
    { certificate, peer, isGone }: ClientConnection,
  ): PlainResponse | Promise<PlainResponse> {
    const startedAtMs = performance.now();
    const call: AuthenticationCall = {
      authorization: headers.authorization,
      client: { secret: headers['x-client-authentication'], certificate },
      network: this.#addresses.networkOf(peer, headers['x-forwarded-for']),
      rawQuery,
      body,
      isGone,
    };
    const limited = this.#limit.refuse(call.network);
    if (limited !== undefined) return this.#refuse(limited, headers, startedAtMs);
    const digest = callDigest(call);
    const cached = this.#service.lookup(digest);
    if (cached === undefined) return this.#authenticate(call, digest, headers, startedAtMs);
    this.#metrics.observeMemoryHit(performance.now() - startedAtMs);
    return cached;
  }

  #authenticate(
    call: AuthenticationCall,
    digest: string,
    headers: PlainHeaders,
    startedAtMs: number,
  ): Promise<PlainResponse> {
    return this.#service.authenticate(call, digest).then(
      ({ body, tier }) => {
        this.#metrics.observe('granted', tier, secondsSince(startedAtMs));
        return body;
      },
      (thrown: unknown) => this.#refuse(thrown, headers, startedAtMs),
    );
  }

  #refuse(thrown: unknown, headers: PlainHeaders, startedAtMs: number): Refusal {
    if (thrown instanceof QuarantinedKeyError) this.#metrics.observeQuarantined(thrown.column);
    const error = toIamError(thrown);
    const requestId = this.#requestId();
    this.#errorLog.write(error, requestId, { ...headers });
    this.#metrics.observe(outcomeOf(error.uiam.status), 'none', secondsSince(startedAtMs));
    return refusalOf(error, requestId);
  }
}

function secondsSince(startedAtMs: number): number {
  return (performance.now() - startedAtMs) / 1_000;
}
