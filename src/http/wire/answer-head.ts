import type { Refusal } from '../error-rendering.ts';

const JSON_TYPE = 'content-type: application/json; charset=utf-8\r\ncontent-length: ';

/** Writes heads of answers as Node's HTTP server writes them: the same fields in the same order. */
export class AnswerHead {
  readonly #now: () => number;
  readonly #keepAlive: string;
  #second = -1;
  #date = '';

  /** @param keepAliveMs how long an idle connection stays open, as the Keep-Alive header says */
  constructor(now: () => number, keepAliveMs: number) {
    this.#now = now;
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveMs / 1_000)}\r\n\r\n`;
  }

  /** Head of a 200 with a JSON body. @param last whether the connection closes after it */
  granted(bodyBytes: number, last: boolean): string {
    return `HTTP/1.1 200 OK\r\n${JSON_TYPE}${bodyBytes}${this.#end(last)}`;
  }

  /** Head of a refusal; the body is in UTF-8. */
  refused({ status, reason, headers }: Refusal, bodyBytes: number, last: boolean): string {
    const own = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    return `HTTP/1.1 ${status} ${reason}\r\n${own.join('')}${JSON_TYPE}${bodyBytes}${this.#end(last)}`;
  }

  #end(last: boolean): string {
    const second = Math.floor(this.#now() / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#date = `\r\nDate: ${new Date(second * 1_000).toUTCString()}\r\n`;
    }
    return this.#date + (last ? 'Connection: close\r\n\r\n' : this.#keepAlive);
  }
}
