import { buffer } from 'node:stream/consumers';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { IamError } from '../../errors.ts';
import { endToEndHeaders } from '../../http/hop-by-hop-headers.ts';
import type { ResponseBudget } from '../../http/response-budget.ts';
import type { KeyArrival } from '../../keys/key-arrival.ts';
import { Slots } from '../../lib/slots.ts';
import type { RegionControlPlane } from '../control-plane.ts';
import { isSilentFor } from '../control-plane-call.ts';
import { CreatedKeys } from './created-keys.ts';
import { assertProof, type CallerProofs, type ForwardedCall } from './forwarded-calls.ts';
import { forwardedHeaders, pathOf, queryOf } from './forwarded-request.ts';
import { ForwardingCircuit } from './forwarding-circuit.ts';

/** Calls at once, each on a connection of its own. A client uses half of them at most. */
export const SLOTS = 256;
const MAX_WAITING = 256;
const MAX_WAIT_MS = 2_000;
const PROBE_TIMEOUT_MS = 2_000;

export interface ForwarderDeps {
  controlPlane: RegionControlPlane;
  proofs: CallerProofs;
  arrival: KeyArrival;
  /** Of all unread responses of the process. */
  budget: ResponseBudget;
  logger: Pick<Logger, 'warn' | 'info'>;
}

/**
 * Sends calls to the control plane, at most 256 at once, and none while it does not respond. It reads each response as a whole before
 * it replies, so that a client that does not read occupies no connection.
 */
export class Forwarder {
  readonly #deps: ForwarderDeps;
  readonly #createdKeys: CreatedKeys;
  readonly #circuit: ForwardingCircuit;
  readonly #slots = new Slots({
    slots: SLOTS,
    waiting: MAX_WAITING,
    waitMs: MAX_WAIT_MS,
    refusal: () => new IamError('FORWARDING_OVERLOADED'),
  });

  constructor(deps: ForwarderDeps) {
    this.#deps = deps;
    const { controlPlane, arrival, logger } = deps;
    this.#createdKeys = new CreatedKeys(arrival, logger);
    const isSilent = () => isSilentFor(controlPlane, PROBE_TIMEOUT_MS);
    this.#circuit = new ForwardingCircuit({ isSilent, logger });
  }

  stop(): void {
    this.#circuit.stop();
  }

  /** @throws {IamError} 401 if the head cannot lead to success, 503 while the control plane does not respond */
  assertForwardable(call: ForwardedCall, headers: FastifyRequest['headers']): void {
    assertProof(call, headers, this.#deps.proofs);
    this.#circuit.assertClosed();
  }

  /** Sends the call and replies with its response. */
  async forward(call: ForwardedCall, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    await this.#slots.run(async () => {
      // The client may have left while the call waited.
      if (reply.raw.destroyed) return;
      this.#circuit.assertClosed();
      const received = Promise.withResolvers<void>();
      this.#send(call, request, reply, received.resolve);
      // Also if the client leaves: the control plane still works for it, and further calls would queue without a bound.
      await received.promise;
    }, request.senderNetwork);
    return reply;
  }

  #send(call: ForwardedCall, request: FastifyRequest, reply: FastifyReply, onReceived: () => void): void {
    const watched = this.#circuit.watch();
    const fail = (cause: unknown) => {
      watched.failed();
      onReceived();
      reply.send(new IamError('CONTROL_PLANE_UNAVAILABLE', { cause }));
    };
    const pass = async (stream: NodeJS.ReadableStream) => {
      try {
        const body = await buffer(stream);
        if (reply.raw.destroyed || this.#count(reply, body.length, request.senderNetwork)) onReceived();
        else reply.raw.once('close', onReceived);
        if (call.createsKeys && reply.statusCode === 200) await this.#createdKeys.wait(reply, body);
        reply.send(body);
      } catch (error) {
        fail(error);
      }
    };
    reply.from(pathOf(request), {
      queryString: () => queryOf(request.url),
      timeout: call.timeoutMs,
      // The body is already JSON bytes; without `contentType` the plugin would encode it again.
      body: request.body ?? null,
      contentType: 'application/json',
      rewriteRequestHeaders: (_request, headers) =>
        forwardedHeaders(request, headers, this.#deps.controlPlane.secret()),
      rewriteHeaders: (headers) => {
        watched.responded();
        // Then the plugin discards the response and calls nothing else.
        if (request.raw.aborted) onReceived();
        return endToEndHeaders(headers);
      },
      onResponse: (_request: unknown, _reply: unknown, response: unknown) =>
        void pass((response as UpstreamResponse).stream),
      onError: (_reply, { error }) => fail(error),
    });
  }

  /** Counts an unread response in the budget. @returns false beyond it: then the call keeps its slot, so that slots bound the rest */
  #count(reply: FastifyReply, bytes: number, client: string): boolean {
    const release = this.#deps.budget.tryReserve(bytes, `client ${client}`);
    if (release !== undefined) reply.raw.once('close', release);
    return release !== undefined;
  }
}

interface UpstreamResponse {
  stream: NodeJS.ReadableStream;
}
