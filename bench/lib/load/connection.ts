import { connect, type Socket } from 'node:net';

const BUFFER_BYTES = 256 * 1024;
const END_OF_HEAD = '\r\n\r\n';

/**
 * One keep-alive connection with one request in flight and no pipelining. It parses only what it needs to find the end
 * of a response, to use little processor time. Responses must have a Content-Length.
 */
export class Connection {
  /** Start time of the request in flight; the caller sets it. */
  sentAtMs = 0;
  /** `Retry-After` of the last response that was not a 200, else 0. */
  retryAfterSeconds = 0;
  /** Bytes of the last response. */
  responseBytes = 0;
  readonly #socket: Socket;
  readonly #onResponse: (connection: Connection, status: number) => void;
  #head = '';
  #remaining = 0;
  #status = 0;
  /** Length of the last response that arrived in one chunk with status 200. The next one probably has the same length. */
  #expectedBytes = -1;

  constructor(
    port: number,
    onReady: (connection: Connection) => void,
    onResponse: (connection: Connection, status: number) => void,
    onEnd: (error: Error) => void,
  ) {
    this.#onResponse = onResponse;
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(BUFFER_BYTES),
        callback: (bytes, buffer) => {
          this.#read(buffer as Buffer, bytes);
          return true;
        },
      },
    });
    this.#socket.once('connect', () => onReady(this));
    this.#socket.once('error', (error) => onEnd(new Error(`port ${port}: ${error.message}`)));
    this.#socket.once('close', () => onEnd(new Error(`port ${port} closed a connection`)));
  }

  send(request: Uint8Array): void {
    this.#socket.write(request);
  }

  destroy(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #read(buffer: Buffer, bytes: number): void {
    if (this.#remaining > 0) {
      this.#remaining -= bytes;
      this.responseBytes += bytes;
    } else {
      const isExpected = bytes === this.#expectedBytes && this.#head === '' && buffer[9] === 0x32; // '2' of 200
      if (isExpected) {
        this.responseBytes = bytes;
        this.#onResponse(this, 200);
        return;
      }
      this.#readHead(buffer, bytes);
    }
    if (this.#remaining === 0 && this.#status > 0) {
      const status = this.#status;
      this.#status = 0;
      this.#onResponse(this, status);
    }
  }

  #readHead(buffer: Buffer, bytes: number): void {
    this.#head += buffer.toString('latin1', 0, bytes);
    const end = this.#head.indexOf(END_OF_HEAD);
    if (end < 0) return;
    const head = this.#head.slice(0, end);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined) throw new Error(`a response has no Content-Length: ${head}`);
    this.#status = Number(head.slice(9, 12));
    if (this.#status !== 200)
      this.retryAfterSeconds = Number(/\r\nretry-after: *(\d+)/i.exec(head)?.[1] ?? 0);
    const total = end + END_OF_HEAD.length + Number(length);
    this.#remaining = total - this.#head.length;
    this.responseBytes = total;
    if (this.#remaining > 0) this.responseBytes -= this.#remaining;
    if (bytes === total && this.#status === 200) this.#expectedBytes = total;
    this.#head = '';
  }
}
