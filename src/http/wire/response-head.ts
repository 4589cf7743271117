import type { Refusal } from '../error-rendering.ts';

const JSON_TYPE = 'content-type: application/json; charset=utf-8\r\ncontent-length: ';
const CLOSE = 'Connection: close\r\n\r\n';

/** Writes response heads like node:http: the same fields in the same order. */
export class ResponseHead {
  readonly #now: () => number;
  readonly #keepAlive: string;
  #second = -1;
  #date = '';
  /** Heads of the current second, by body length: they differ in nothing else. */
  readonly #granted = new Map<number, string>();

  /** @param keepAliveMs idle timeout of a connection, for the Keep-Alive header */
  constructor(now: () => number, keepAliveMs: number) {
    this.#now = now;
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveMs / 1_000)}\r\n\r\n`;
  }

  /** The head of a 200 with a JSON body. @param last whether the connection closes after this response */
  granted(bodyBytes: number, last: boolean): string {
    this.#updateDate();
    const start = 'HTTP/1.1 200 OK\r\n';
    if (last) return `${start}${JSON_TYPE}${bodyBytes}${this.#date}${CLOSE}`;
    let head = this.#granted.get(bodyBytes);
    if (head === undefined) {
      head = `${start}${JSON_TYPE}${bodyBytes}${this.#date}${this.#keepAlive}`;
      this.#granted.set(bodyBytes, head);
    }
    return head;
  }

  /** The head of a refusal with a UTF-8 body. */
  refused({ status, reason, headers }: Refusal, bodyBytes: number, last: boolean): string {
    this.#updateDate();
    const own = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    return `HTTP/1.1 ${status} ${reason}\r\n${own.join('')}${JSON_TYPE}${bodyBytes}${this.#date}${last ? CLOSE : this.#keepAlive}`;
  }

  #updateDate(): void {
    const second = Math.floor(this.#now() / 1_000);
    if (second === this.#second) return;
    this.#second = second;
    this.#date = `\r\nDate: ${new Date(second * 1_000).toUTCString()}\r\n`;
    this.#granted.clear();
  }
}
