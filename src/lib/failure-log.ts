import type { Logger } from 'pino';
import { LogLimiter } from './log-limiter.ts';
import { hintOf, messageOf } from './message-of.ts';

const SAME_MESSAGE_INTERVAL_MS = 60_000;
/** Messages that contain numbers differ every time, and must not fill the log either. */
const LINE_INTERVAL_MS = 5_000;

/**
 * Logs an outage that lasts: its first failure, other messages, and each message once a minute. The first failure is often a lost
 * connection, and the cause appears only afterwards.
 */
export class FailureLog {
  readonly #logger: Logger;
  readonly #messages: { failed: string; recovered: string };
  readonly #now: () => number;
  #lines: LogLimiter | undefined;
  #nextLineAtMs = 0;

  /** @param now in milliseconds */
  constructor(logger: Logger, messages: { failed: string; recovered: string }, now: () => number) {
    this.#logger = logger;
    this.#messages = messages;
    this.#now = now;
  }

  failed(error: unknown): void {
    const nowMs = this.#now();
    const isFirst = this.#lines === undefined;
    this.#lines ??= new LogLimiter(this.#now, SAME_MESSAGE_INTERVAL_MS);
    if (!isFirst && nowMs < this.#nextLineAtMs) return;
    if (this.#lines.admit(messageOf(error)) === undefined) return;
    this.#nextLineAtMs = nowMs + LINE_INTERVAL_MS;
    const hint = hintOf(error);
    this.#logger.error({ err: error, ...(hint !== undefined && { hint }) }, this.#messages.failed);
  }

  succeeded(): void {
    if (this.#lines !== undefined) this.#logger.info(this.#messages.recovered);
    this.#lines = undefined;
  }
}
