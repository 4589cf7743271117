import { inspect } from 'node:util';

/** Errors that are defects of this program: they need a stack trace. */
const DEFECTS = [TypeError, ReferenceError, RangeError, SyntaxError];

/**
 * Prints an error to standard error, as JSON or as text, and returns its exit code. Text has a stack trace only for a
 * defect. The error classes are loaded on demand, so that a service starts without them.
 */
export async function reportFailure(error: unknown, { json = false } = {}): Promise<number> {
  const [{ failureOf }, { inCliTerms }] = await Promise.all([
    import('./command-failure.ts'),
    import('./cli-terms.ts'),
  ]);
  const { exitCode, errors: apiErrors } = failureOf(error);
  const errors = apiErrors.map((one) => ({ ...one, message: inCliTerms(one.message) }));
  const isDefect = !(error instanceof Error) || DEFECTS.some((defect) => error instanceof defect);
  // The stack and not `inspect`: that prints own properties too, such as the `input` of an invalid URL with its password.
  const trace = error instanceof Error ? (error.stack ?? error.message) : inspect(error);
  const messages = isDefect ? [trace] : errors.map(({ message }) => message);
  const text = json
    ? JSON.stringify({ errors }, null, 2)
    : messages.map((message) => `error: ${message}`).join('\n');
  // A server chooses some of the text, which must not control the terminal.
  process.stderr.write(`${text.replace(/[^\P{Cc}\n\t]/gu, ' ')}\n`);
  return exitCode;
}
