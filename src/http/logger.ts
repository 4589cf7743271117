import { ecsFormat } from '@elastic/ecs-pino-format';
import { type DestinationStream, type Logger, pino } from 'pino';

/**
 * What must never be written: unified credentials of any prefix, PHC strings, Authorization values and URLs with a
 * password. Nothing of ours logs them; this is the second fence, against a message of a library that quotes its input.
 */
const forbidden: readonly [RegExp, string][] = [
  [/\b[a-z][a-z0-9_]*_[A-Za-z0-9+/]{60,}={0,2}/g, '[credential]'],
  // A secret without its frame, and a credential that was encoded once more.
  [/(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43}=(?![A-Za-z0-9+/=])/g, '[secret]'],
  [/(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{120,}={0,2}/g, '[credential]'],
  [/\$argon2[a-z]*\$[^\s"\\]+/g, '[hash]'],
  [/\b(ApiKey|Bearer)\s+[^\s"\\]+/gi, '$1 [credential]'],
  [/\b(\w+:\/\/[^\s:/@"]*):[^\s@"]+@/g, '$1:[password]@'],
];

/** Takes everything out of a log line that would help a thief. */
export function redact(line: string): string {
  return forbidden.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), line);
}

/**
 * The process log: JSON lines in ECS fields.
 * @param destination where lines go; standard output when left out
 */
export function createLogger(
  options: { level: string; serviceName: string },
  destination: DestinationStream = process.stdout,
): Logger {
  return pino(
    {
      ...ecsFormat({ serviceName: options.serviceName, convertReqRes: false, apmIntegration: false }),
      level: options.level,
    },
    { write: (line: string) => void destination.write(redact(line)) },
  );
}
