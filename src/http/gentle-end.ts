import type { Socket } from 'node:net';

/** Time for a client to read the last response. */
const LINGER_MS = 1_000;

/**
 * Ends a connection whose client may still send, and discards what it sends. An immediate close would reset the connection before
 * the client has read the responses.
 * @param last sent before the end
 */
export function endGently(socket: Socket, last = ''): void {
  socket.resume();
  if (socket.writable) socket.end(last);
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}
