import { ConfigError } from '../config.ts';
import { isRefusedByPooler } from '../database/pooler.ts';
import { ON_BOTH_HOSTS } from '../database/primary-connection.ts';
import { NotARegionError } from '../database/region/region-state.ts';
import { UnverifiedConnectionError } from '../database/verified-connection.ts';
import { IamError } from '../errors.ts';
import { QuarantinedKeyError } from '../keys/key-record.ts';
import { StoreUnavailableError } from '../keys/key-store.ts';
import { messageOf } from '../lib/message-of.ts';
import { EXIT } from './exit-codes.ts';

/** An invalid command line that commander does not detect. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** What a command refuses to do because of the state that it found. */
export class RefusedError extends Error {
  override name = 'RefusedError';
}

/** What a command was to work on does not exist. */
export class NotFoundError extends Error {
  override name = 'NotFoundError';
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

/** For a URL at which another service responds. */
export function notControlPlane(url: string): UsageError {
  return new UsageError(
    `${new URL(url).origin} is not a control plane. Pass the URL of the control plane, not that of a regional service.`,
  );
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
  if (error instanceof NotARegionError) return one(EXIT.usage, 'cli.usage', error.message);
  if (error instanceof UnverifiedConnectionError) return one(EXIT.usage, 'cli.usage', error.message);
  if (error instanceof RefusedError) return one(EXIT.refused, 'cli.refused', error.message);
  if (error instanceof NotFoundError) return one(EXIT.notFound, 'cli.not_found', error.message);
  if (error instanceof ConfigError) return one(EXIT.usage, 'cli.configuration', error.message);
  if (error instanceof StoreUnavailableError) return unavailable(error.cause);
  if (isUnreachable(error)) return unavailable(error);
  if (lacksAuthorities(error)) return one(EXIT.usage, 'cli.usage', `${messageOf(error)}\n${ON_BOTH_HOSTS}`);
  if (isConnectionSyntax(error)) return one(EXIT.usage, 'cli.usage', CONNECTION_SYNTAX);
  if (error instanceof QuarantinedKeyError) return one(EXIT.failure, 'cli.unreadable', `${error.message}.`);
  return one(EXIT.failure, 'cli.failure', messageOf(error));
}

function unavailable(cause: unknown): CommandFailure {
  const reason = cause === undefined ? '' : ` (${messageOf(cause)})`;
  const advice = isRefusedByPooler(cause)
    ? ' Set DATABASE_TRANSACTION_POOLING=true for a connection pooler.'
    : '';
  return one(EXIT.unavailable, 'root.unavailable', `The database cannot be reached${reason}.${advice}`);
}

/** Errors of the network, SQLSTATEs of a server that accepts no connection now, and timeouts of node-postgres. */
const UNREACHABLE =
  /^(ECONNREFUSED|ECONNRESET|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|08...|53300|57P0[123])$/;
const TIMEOUT = /^timeout expired$|^Connection terminated/;

function isUnreachable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isUnreachable);
  if (!(error instanceof Error)) return false;
  return UNREACHABLE.test(String((error as { code?: unknown }).code)) || TIMEOUT.test(error.message);
}

const CONNECTION_SYNTAX =
  'The server of the region does not understand the connection string of the primary. Check the names of its options, and quote a password with spaces.';

/** The error of the server quotes what it does not understand, which may be a part of the password. */
function isConnectionSyntax(error: unknown): boolean {
  return error instanceof Error && (error as { routine?: unknown }).routine === 'libpqrcv_check_conninfo';
}

/** libpq of the region's server. */
function lacksAuthorities(error: unknown): boolean {
  return error instanceof Error && /root certificate file "/.test(error.message);
}

function one(exitCode: number, code: string, message: string): CommandFailure {
  return { exitCode, errors: [{ code, message }] };
}

function ofStatus(status: number): number {
  if (status === 404) return EXIT.notFound;
  return status >= 500 ? EXIT.unavailable : EXIT.refused;
}
