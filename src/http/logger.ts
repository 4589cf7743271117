import { ecsFormat } from '@elastic/ecs-pino-format';
import { type DestinationStream, type Logger, pino } from 'pino';
import { messageOf } from '../lib/message-of.ts';

/**
 * Texts that must never reach the log. The service itself does not log them. This second guard catches libraries whose
 * messages quote their input.
 */
const forbidden: readonly [RegExp, string][] = [
  [/\b[a-z][a-z0-9_]*_[A-Za-z0-9+/]{60,}={0,2}/g, '[credential]'],
  // A secret outside a credential, and a credential that was encoded a second time.
  [/(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43}=(?![A-Za-z0-9+/=])/g, '[secret]'],
  [/(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{120,}={0,2}/g, '[credential]'],
  [/\$argon2[a-z]*\$[^\s"\\]+/g, '[hash]'],
  [/\b(ApiKey|Bearer)\s+[^\s"\\]+/gi, '$1 [credential]'],
  [/\b(\w+:\/\/[^\s:/@"]*):[^\s@"]+@/g, '$1:[password]@'],
];

type Fields = Record<string, unknown>;

/** Replaces credentials, secrets, hashes and passwords in a log line. */
export function redact(line: string): string {
  return forbidden.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), line);
}

/** ECS has one message per error. Without the causes it would often say nothing, such as "fetch failed". */
function withCauses({ err }: Fields, formatted: Fields = {}): Fields {
  if (!(err instanceof Error) || (err.cause === undefined && err.message !== '')) return formatted;
  return { ...formatted, error: { ...(formatted.error as Fields), message: messageOf(err) } };
}

/**
 * Creates the process log: JSON lines with ECS fields.
 * @param destination receives the lines; standard output by default
 */
export function createLogger(
  options: { level: string; serviceName: string },
  destination: DestinationStream = process.stdout,
): Logger {
  const ecs = ecsFormat({ serviceName: options.serviceName, convertReqRes: false, apmIntegration: false });
  return pino(
    {
      ...ecs,
      formatters: { ...ecs.formatters, log: (fields) => withCauses(fields, ecs.formatters?.log?.(fields)) },
      level: options.level,
    },
    { write: (line: string) => void destination.write(redact(line)) },
  );
}
