import { once } from 'node:events';
import { connect } from 'node:net';
import type { ApiResponse } from './regional.ts';

/** Sends an HTTP request and reads a JSON response. A stream is sent chunked. */
export async function call(url: string, init: RequestInit = {}): Promise<ApiResponse> {
  const response = await fetch(url, {
    ...init,
    ...(init.body instanceof ReadableStream ? { duplex: 'half' } : {}),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** Sends raw bytes that no HTTP client would send, and reads until the server closes the connection. */
export async function sendBytes(url: string, bytes: string | Buffer): Promise<ApiResponse> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const received: Buffer[] = [];
  socket.on('data', (chunk) => received.push(chunk));
  socket.on('error', () => {});
  socket.write(bytes);
  await once(socket, 'close');
  const text = Buffer.concat(received).toString();
  const [head = '', ...body] = text.split('\r\n\r\n');
  const [statusLine = '', ...fields] = head.split('\r\n');
  const headers = new Headers(fields.map((line) => line.split(/:\s*/, 2) as [string, string]));
  return { status: Number(statusLine.split(' ')[1]), headers, body: JSON.parse(body.join('\r\n\r\n')) };
}
