import { once } from 'node:events';
import { connect } from 'node:net';

/** A raw HTTP response. */
export interface WireResponse {
  status: number;
  /** Status line and header lines. */
  head: string[];
  body: string;
}

/** Sends one request over a new connection and reads the raw response. */
export async function sendRequest(port: number, request: Uint8Array): Promise<WireResponse> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {}); // `once` below rejects with the error
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

/** Header lines without their order and the time of `Date`. */
function comparableHead(response: WireResponse): string[] {
  return response.head.map((line) => line.toLowerCase().replace(/^date:.*/, 'date')).sort();
}

/** Differences between two responses; empty if a client cannot distinguish them. */
export function responseDifferences(one: WireResponse, other: WireResponse): string[] {
  const [left, right] = [comparableHead(one), comparableHead(other)];
  return [
    ...left.filter((line) => !right.includes(line)).map((line) => `only the first: ${line}`),
    ...right.filter((line) => !left.includes(line)).map((line) => `only the second: ${line}`),
    ...(one.body === other.body ? [] : ['the bodies differ']),
  ];
}
