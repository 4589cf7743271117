import { ConfigError } from '../config.ts';
import { IamError } from '../errors.ts';
import { QuarantinedKeyError } from '../keys/key-record.ts';
import { StoreUnavailableError } from '../keys/key-store.ts';
import { EXIT } from './exit-codes.ts';

/** An invalid command line that commander does not detect. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** An error response of the control plane. */
export class RemoteError extends Error {
  override name = 'RemoteError';
  readonly status: number;
  readonly errors: readonly { code: string; message: string }[];

  constructor(status: number, errors: readonly { code: string; message: string }[]) {
    super(errors.map((error) => error.message).join('; '));
    this.status = status;
    this.errors = errors;
  }
}

/** The messages and the exit code of a failed command. */
export interface CommandFailure {
  exitCode: number;
  errors: readonly { code: string; message: string; fields?: readonly string[] }[];
}

export function failureOf(error: unknown): CommandFailure {
  if (error instanceof IamError) {
    const { code, status } = error.cloud;
    return { exitCode: ofStatus(status), errors: error.problems.map((problem) => ({ code, ...problem })) };
  }
  if (error instanceof RemoteError) return { exitCode: ofStatus(error.status), errors: error.errors };
  if (error instanceof UsageError) return one(EXIT.usage, 'cli.usage', error.message);
  if (error instanceof ConfigError) return one(EXIT.usage, 'cli.configuration', error.message);
  if (error instanceof StoreUnavailableError) {
    const cause = error.cause instanceof Error ? ` (${describe(error.cause)})` : '';
    return one(EXIT.unavailable, 'root.unavailable', `The database cannot be reached${cause}.`);
  }
  if (error instanceof QuarantinedKeyError) return one(EXIT.failure, 'cli.unreadable', `${error.message}.`);
  return one(EXIT.failure, 'cli.failure', error instanceof Error ? describe(error) : String(error));
}

/** Node tries every address of a host and reports the attempts as an AggregateError without a message. */
function describe(error: Error): string {
  if (!(error instanceof AggregateError)) return error.message || error.name;
  return [...new Set(error.errors.map((attempt: Error) => attempt.message))].join(', ');
}

function one(exitCode: number, code: string, message: string): CommandFailure {
  return { exitCode, errors: [{ code, message }] };
}

function ofStatus(status: number): number {
  if (status === 404) return EXIT.notFound;
  return status >= 500 ? EXIT.unavailable : EXIT.refused;
}
