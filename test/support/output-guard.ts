import { subscribe } from 'node:diagnostics_channel';
import { afterAll } from 'vitest';
import { findForbidden } from './forbidden-output.ts';

/**
 * Setup file of every integration test. It inspects all output of the process while tests run, and fails the file if the
 * output contains a credential, a hash or a secret. It covers both standard streams and every log line of each service
 * under test before redaction, because redaction is only the second line of defence.
 */
const leaks: string[] = [];

function inspect(source: string, text: string): void {
  for (const name of findForbidden(text)) leaks.push(`${name} in ${source}, near: ${outline(text)}`);
}

/** Shortens a text so that its origin is recognizable but no secret remains. */
function outline(text: string): string {
  return text.replace(/[A-Za-z0-9+/=_$-]{16,}/g, '…').slice(0, 300);
}

subscribe('tracing:pino_asJson:end', (event) => inspect('a log line', (event as { result: string }).result));
for (const [name, stream] of [
  ['standard output', process.stdout],
  ['standard error', process.stderr],
] as const) {
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  stream.write = (...args: unknown[]) => {
    inspect(name, String(args[0]));
    return write(...args);
  };
}
for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const) {
  const print = console[method].bind(console);
  console[method] = (...args: unknown[]) => {
    inspect('the console', args.map(String).join(' '));
    print(...args);
  };
}

afterAll(() => {
  if (leaks.length > 0) throw new Error(`Forbidden output:\n${leaks.join('\n')}`);
});
