import type { Refusal } from '../error-rendering.ts';

const JSON_TYPE = 'content-type: application/json; charset=utf-8\r\ncontent-length: ';
const CLOSE = 'Connection: close\r\n\r\n';

/** Writes heads of answers as Node's HTTP server writes them: the same fields in the same order. */
export class ResponseHead {
  readonly #now: () => number;
  readonly #keepAlive: string;
  #second = -1;
  #date = '';
  /** Heads of this second, by the length of their body: there is nothing else in which they differ. */
  readonly #granted = new Map<number, string>();

  /** @param keepAliveMs how long an idle connection stays open, as the Keep-Alive header says */
  constructor(now: () => number, keepAliveMs: number) {
    this.#now = now;
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveMs / 1_000)}\r\n\r\n`;
  }

  /** Head of a 200 with a JSON body. @param last whether the connection closes after it */
  granted(bodyBytes: number, last: boolean): string {
    this.#keepTime();
    const start = 'HTTP/1.1 200 OK\r\n';
    if (last) return `${start}${JSON_TYPE}${bodyBytes}${this.#date}${CLOSE}`;
    let head = this.#granted.get(bodyBytes);
    if (head === undefined) {
      head = `${start}${JSON_TYPE}${bodyBytes}${this.#date}${this.#keepAlive}`;
      this.#granted.set(bodyBytes, head);
    }
    return head;
  }

  /** Head of a refusal; the body is in UTF-8. */
  refused({ status, reason, headers }: Refusal, bodyBytes: number, last: boolean): string {
    this.#keepTime();
    const own = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    return `HTTP/1.1 ${status} ${reason}\r\n${own.join('')}${JSON_TYPE}${bodyBytes}${this.#date}${last ? CLOSE : this.#keepAlive}`;
  }

  #keepTime(): void {
    const second = Math.floor(this.#now() / 1_000);
    if (second === this.#second) return;
    this.#second = second;
    this.#date = `\r\nDate: ${new Date(second * 1_000).toUTCString()}\r\n`;
    this.#granted.clear();
  }
}
