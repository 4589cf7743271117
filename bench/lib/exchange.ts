import { once } from 'node:events';
import { connect } from 'node:net';

/** An answer as it came over the wire. */
export interface WireAnswer {
  status: number;
  /** Status line and header lines. */
  head: string[];
  body: string;
}

/** Sends one request and reads its answer, byte for byte. */
export async function exchange(port: number, request: Uint8Array): Promise<WireAnswer> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {}); // `once` below rejects with it
  socket.write(request);
  let text = '';
  while (true) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    text += chunk.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    const length = Number(/content-length: *(\d+)/i.exec(text)?.[1]);
    if (end < 0 || text.length < end + 4 + length) continue;
    socket.destroy();
    const head = text.slice(0, end).split('\r\n');
    return {
      status: Number(head[0]?.split(' ')[1]),
      head,
      body: Buffer.from(text.slice(end + 4), 'latin1').toString(),
    };
  }
}

/** Header lines whose order and time do not count. */
function comparable(answer: WireAnswer): string[] {
  return answer.head.map((line) => line.toLowerCase().replace(/^date:.*/, 'date')).sort();
}

/** What tells two answers apart; empty when a client gets the same from both. */
export function differences(one: WireAnswer, other: WireAnswer): string[] {
  const [left, right] = [comparable(one), comparable(other)];
  return [
    ...left.filter((line) => !right.includes(line)).map((line) => `only the first: ${line}`),
    ...right.filter((line) => !left.includes(line)).map((line) => `only the second: ${line}`),
    ...(one.body === other.body ? [] : ['the bodies differ']),
  ];
}
