import { inspect } from 'node:util';

/** Errors that are mistakes in this program: a message alone would not find them. */
const DEFECTS = [TypeError, ReferenceError, RangeError, SyntaxError];

/** Prints an error for a person, without a stack unless it is a defect of ours, and gives the exit code for it. */
export async function reportFailure(error: unknown): Promise<number> {
  const { failureOf } = await import('./command-failure.ts');
  const { exitCode, errors } = failureOf(error);
  const isDefect = !(error instanceof Error) || DEFECTS.some((defect) => error instanceof defect);
  const text = isDefect ? inspect(error) : errors.map(({ message }) => message).join('\n');
  process.stderr.write(`error: ${text || messageOf(error)}\n`);
  return exitCode;
}

/** Node tries every address of a host and reports the attempts as one error without a message of its own. */
function messageOf(error: unknown): string {
  if (!(error instanceof AggregateError)) return String(error);
  return [...new Set(error.errors.map((attempt: Error) => attempt.message))].join('; ');
}
