import { inspect } from 'node:util';

/** Errors that are defects of this program: they need a stack trace. */
const DEFECTS = [TypeError, ReferenceError, RangeError, SyntaxError];

/** Prints an error, with a stack trace only for defects, and returns its exit code. */
export async function reportFailure(error: unknown): Promise<number> {
  const { failureOf } = await import('./command-failure.ts');
  const { exitCode, errors } = failureOf(error);
  const isDefect = !(error instanceof Error) || DEFECTS.some((defect) => error instanceof defect);
  const text = isDefect ? inspect(error) : errors.map(({ message }) => message).join('\n');
  process.stderr.write(`error: ${text || messageOf(error)}\n`);
  return exitCode;
}

/** Node tries every address of a host and reports the attempts as one error without a message. */
function messageOf(error: unknown): string {
  if (!(error instanceof AggregateError)) return String(error);
  return [...new Set(error.errors.map((attempt: Error) => attempt.message))].join('; ');
}
