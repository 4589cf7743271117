import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyBaseLogger } from 'fastify';
import { ERRORS, type IamError } from '../errors.ts';
import { LogLimiter } from '../lib/log-limiter.ts';

/** Allows no text that could be a credential or break a log line. */
const OPAQUE_ID = /^[\w.:/-]{1,64}$/;
const TRACE_PARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-/;

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
    const fields = () => ({
      'http.request.id': requestId,
      'error.code': code,
      'labels.api_code': error.cloud.code,
      ...callerFields(headers),
    });
    if (status < 500) {
      if (this.#log.level === 'debug' || this.#log.level === 'trace') {
        this.#log.debug({ ...fields(), resource: error.resource }, error.message);
      }
      return;
    }
    // All defects have one code, so their place in the code keeps one from hiding another.
    const kind = error.reason === 'INTERNAL' ? originOf(error) : (error.resource ?? '');
    const suppressed = this.#limiter.admit(`${code} ${kind}`);
    if (suppressed === undefined) return;
    this.#log.error(
      { err: error.cause ?? error, ...fields(), reason: deepestMessage(error), suppressed },
      ERRORS[error.reason].message,
    );
  }
}

/** The ids of the caller as ECS fields, so that one id finds the log lines of Elasticsearch and of this service. */
export function callerFields(headers: IncomingHttpHeaders): Record<string, string> {
  const opaqueId = headers['x-opaque-id'];
  const traceId = TRACE_PARENT.exec(String(headers.traceparent ?? ''))?.[1];
  return {
    ...(typeof opaqueId === 'string' && OPAQUE_ID.test(opaqueId) && { 'labels.opaque_id': opaqueId }),
    ...(traceId !== undefined && { 'trace.id': traceId }),
  };
}

/** File and line of the deepest cause. */
function originOf(error: Error): string {
  if (error.cause instanceof Error) return originOf(error.cause);
  return /^ +at .*?([^\\/]+:\d+):\d+\)?$/m.exec(error.stack ?? '')?.[1] ?? error.name;
}

/** The root cause says more: "the password is wrong" instead of "Postgres did not respond". */
function deepestMessage(error: Error): string {
  return error.cause instanceof Error ? deepestMessage(error.cause) : error.message;
}
