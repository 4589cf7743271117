import { isUnverified } from './connection-problem.ts';

/** A connection to another host that does not verify who answers. The message has no part of the connection string. */
export class UnverifiedConnectionError extends Error {
  override name = 'UnverifiedConnectionError';
}

/**
 * The rule of every command and service: another host gets a password only after a check of its certificate and name. A server that
 * answers for a replica could also accept any credential.
 * @param connection a URL, `key=value` pairs, or the folder of a Unix socket
 * @param source its setting or flag, for the message
 * @throws {UnverifiedConnectionError}
 */
export function assertVerified(connection: string, source: string): void {
  if (process.env.ALLOW_UNVERIFIED_DATABASE === 'true' || !isUnverified(connection)) return;
  throw new UnverifiedConnectionError(
    `${source} leads to another host and does not verify it: add sslmode=verify-full, and sslrootcert=<file> for a private authority, or sslrootcert=system for a public one. ALLOW_UNVERIFIED_DATABASE=true allows it, for a network without strangers.`,
  );
}
