import type { Writable } from 'node:stream';
import { SLICE_BYTES } from '../response-budget.ts';

/**
 * Writes a long body in slices. Other connections are served between two slices, and a client that does not read gets no
 * further one.
 * @param out a socket or a response of node:http
 * @param head written together with the first slice
 * @param text one byte per character
 * @param done called once, when `out` has passed on everything or is closed
 */
export function writeInSlices(
  out: Pick<Writable, 'destroyed' | 'write' | 'once' | 'off'>,
  head: string,
  text: string,
  done: () => void,
): void {
  let at = 0;
  const finish = () => {
    out.off('close', finish);
    out.off('drain', soon);
    done();
  };
  const next = () => {
    if (out.destroyed) return;
    const slice = text.slice(at, at + SLICE_BYTES);
    const writable = out.write(at === 0 ? head + slice : slice, 'latin1');
    at += SLICE_BYTES;
    if (writable) soon();
    else out.once('drain', soon);
  };
  // Never directly: if the kernel takes a slice at once, 'drain' follows before the event loop turns.
  const soon = () => {
    setImmediate(at < text.length ? next : finish);
  };
  if (out.destroyed) {
    done();
    return;
  }
  out.once('close', finish);
  next();
}
