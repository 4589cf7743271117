import { subscribe } from 'node:diagnostics_channel';
import { afterAll } from 'vitest';
import { findForbidden } from './forbidden-output.ts';

/**
 * Set-up file of every integration test: reads along with all that the process writes while its tests run, and fails
 * the file if a credential, a hash or a secret is in it. That covers each log line of each service under test, as it
 * is before redaction (redaction is the second fence; this is about the first), and both standard streams.
 */
const leaks: string[] = [];

function inspect(source: string, text: string): void {
  for (const name of findForbidden(text)) leaks.push(`${name} in ${source}, near: ${outline(text)}`);
}

/** Enough of a text to find its origin, and nothing that could be the secret itself. */
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
  if (leaks.length > 0) throw new Error(`Output that must not be:\n${leaks.join('\n')}`);
});
