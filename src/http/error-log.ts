import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyBaseLogger } from 'fastify';
import type { IamError } from '../errors.ts';
import { LogLimiter } from '../lib/log-limiter.ts';
import { callerFields } from './caller-fields.ts';

/** Writes refusals to the log: what is our fault as errors, a line a second of each kind, all else for debugging. */
export class ErrorLog {
  readonly #log: FastifyBaseLogger;
  readonly #limiter: LogLimiter;

  constructor(log: FastifyBaseLogger, now: () => number) {
    this.#log = log;
    this.#limiter = new LogLimiter(now);
  }

  /** @param headers of the request that was refused */
  note(error: IamError, requestId: string, headers: IncomingHttpHeaders): void {
    const fields = () => ({
      'http.request.id': requestId,
      'error.code': error.row.code,
      ...callerFields(headers),
    });
    if (error.row.status < 500) {
      if (this.#log.level === 'debug' || this.#log.level === 'trace') {
        this.#log.debug({ ...fields(), resource: error.resource }, error.message);
      }
      return;
    }
    const suppressed = this.#limiter.admit(`${error.row.code} ${error.resource ?? ''}`);
    if (suppressed === undefined) return;
    this.#log.error(
      { err: error.cause ?? error, ...fields(), reason: deepestMessage(error), suppressed },
      error.row.message,
    );
  }
}

/** What was wrong at the bottom of it: "the password is wrong" says more than "Postgres did not answer". */
function deepestMessage(error: Error): string {
  return error.cause instanceof Error ? deepestMessage(error.cause) : error.message;
}
