import type { Writable } from 'node:stream';
import { SLICE_BYTES } from '../response-budget.ts';

/**
 * Writes a head and a long body in slices. Other connections are served between two slices, and a client that does not read
 * gets no further one.
 * @param text one byte per character
 * @param done called once, when the socket has taken everything or is closed
 */
export function writeInSlices(socket: Writable, head: string, text: string, done: () => void): void {
  let at = 0;
  const finish = () => {
    socket.off('close', finish);
    socket.off('drain', soon);
    done();
  };
  const next = () => {
    if (socket.destroyed) return;
    const slice = text.slice(at, at + SLICE_BYTES);
    const writable = socket.write(at === 0 ? head + slice : slice, 'latin1');
    at += SLICE_BYTES;
    if (writable) soon();
    else socket.once('drain', soon);
  };
  // Never directly: if the kernel takes a slice at once, 'drain' follows before the event loop turns.
  const soon = () => {
    setImmediate(at < text.length ? next : finish);
  };
  if (socket.destroyed) {
    done();
    return;
  }
  socket.once('close', finish);
  next();
}
