import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

const KEPT_LINES = 20;

/** Reads a server's log line by line and keeps the last lines for error messages. */
export class LogLines {
  readonly #kept: string[] = [];
  readonly #listeners = new Set<(line: string) => void>();

  constructor(stream: Readable, onLine?: (line: string) => void) {
    if (onLine) this.#listeners.add(onLine);
    createInterface({ input: stream }).on('line', (line) => {
      this.#kept.push(line);
      if (this.#kept.length > KEPT_LINES) this.#kept.shift();
      for (const listener of this.#listeners) listener(line);
    });
  }

  /** Resolves with the next line that matches. It never rejects, so race it against the exit of the server. */
  next(pattern: RegExp): Promise<string> {
    return new Promise((resolve) => {
      const listener = (line: string) => {
        if (!pattern.test(line)) return;
        this.#listeners.delete(listener);
        resolve(line);
      };
      this.#listeners.add(listener);
    });
  }

  last(): string {
    return this.#kept.map((line) => `  ${line}`).join('\n');
  }
}
