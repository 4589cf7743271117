import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { IamError } from '../errors.ts';
import { uiamErrorBody } from './error-rendering.ts';
import { endGently } from './gentle-end.ts';
import type { NodeConnections } from './node-connections.ts';
import { STATUS_CODES } from './node-http.ts';

/**
 * Refuses bytes that are no HTTP request, after the responses to the requests before them. It writes to the socket because no
 * Fastify request exists.
 */
export class UnparsableRequests {
  readonly #connections: NodeConnections;

  constructor(connections: NodeConnections) {
    this.#connections = connections;
  }

  /** A listener for `clientError` of a server. Further calls for a connection have no effect. */
  readonly refuse = (error: Error & { code?: string }, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || !socket.writable) return;
    // What follows is read only when it can be discarded, which is bounded.
    socket.pause();
    // Node calls this after a response with `Connection: close`, which the client must be able to read too.
    socket.destroySoon = () => endGently(socket);
    void this.#endAfterEarlier(socket, refusalFor(error));
  };

  async #endAfterEarlier(socket: Socket, refusal: string): Promise<void> {
    const connection = this.#connections.of(socket);
    const latest = connection?.latest;
    const unfinished = connection?.unfinished ?? new Map<ServerResponse, number>();
    // The bytes are in the body of this request.
    const broken = latest?.request.complete === false ? latest.response : undefined;
    await Promise.all([...unfinished.keys()].filter((response) => response !== broken).map(sent));
    if (!broken?.headersSent) {
      endGently(socket, refusal);
      return;
    }
    // It has a response already, such as a refusal of its head.
    if (unfinished.has(broken)) await sent(broken);
    endGently(socket);
  }
}

const sent = (response: ServerResponse) => new Promise((resolve) => response.once('close', resolve));

function refusalFor({ code }: { code?: string }): string {
  const refusal =
    code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? new IamError('REQUEST_TIMEOUT')
      : new IamError('REQUEST_INVALID', { message: 'The request is not valid HTTP/1.1.' });
  const { status } = refusal.uiam;
  const body = JSON.stringify(uiamErrorBody(refusal, 'unparsed'));
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;
}
