import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyBaseLogger } from 'fastify';
import { ERRORS, type IamError } from '../errors.ts';
import { LogLimiter } from '../lib/log-limiter.ts';
import { callerFields } from './caller-fields.ts';

/**
 * The only way to log a failed request, for both servers. Failures of the service are errors, limited to one line per second and
 * kind. Refusals are debug lines.
 */
export class ErrorLog {
  readonly #log: FastifyBaseLogger;
  readonly #limiter: LogLimiter;

  constructor(log: FastifyBaseLogger, now: () => number) {
    this.#log = log;
    this.#limiter = new LogLimiter(now);
  }

  /** @param headers of the failed request */
  write(error: IamError, requestId: string, headers: IncomingHttpHeaders): void {
    const { code, status } = error.uiam;
    const fields = () => ({ 'http.request.id': requestId, 'error.code': code, ...callerFields(headers) });
    if (status < 500) {
      if (this.#log.level === 'debug' || this.#log.level === 'trace') {
        this.#log.debug({ ...fields(), resource: error.resource }, error.message);
      }
      return;
    }
    const suppressed = this.#limiter.admit(`${code} ${error.resource ?? ''}`);
    if (suppressed === undefined) return;
    this.#log.error(
      { err: error.cause ?? error, ...fields(), reason: deepestMessage(error), suppressed },
      ERRORS[error.reason].message,
    );
  }
}

/** The root cause says more: "the password is wrong" instead of "Postgres did not respond". */
function deepestMessage(error: Error): string {
  return error.cause instanceof Error ? deepestMessage(error.cause) : error.message;
}
