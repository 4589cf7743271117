import { format } from 'node:util';
import type { Logger } from 'pino';

/**
 * Sends what dependencies and Node.js print to the log: a raw line would break its format. ioredis, for example, prints
 * warnings about passwords and permissions with `console.warn`.
 */
export function captureOutput(logger: Logger): void {
  for (const method of ['log', 'info', 'debug'] as const) {
    console[method] = (...values: unknown[]) => logger.info(format(...values));
  }
  for (const method of ['warn', 'error', 'trace'] as const) {
    console[method] = (...values: unknown[]) => logger.warn(format(...values));
  }
  surviveLostOutput();
  // The listener of Node.js prints to standard error.
  process.removeAllListeners('warning');
  process.on('warning', (warning) => logger.warn({ err: warning }, 'Node.js warns'));
}

/**
 * A full disk or a closed pipe must not end a service: lines are lost until the output works again. Standard error may work, so
 * the first loss is reported there.
 */
function surviveLostOutput(): void {
  let reported = false;
  process.stderr.on('error', () => {});
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (reported) return;
    reported = true;
    process.stderr.write(`Log lines are lost: standard output cannot be written (${error.code}).\n`);
  });
}
