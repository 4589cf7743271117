import { IamError } from '../errors.ts';
import { UsageError } from './command-failure.ts';
import { connection } from './connection.ts';
import { databaseTarget, openPrimary } from './database-target.ts';
import { httpTarget } from './http-target.ts';
import type { Operation } from './operations.ts';

/**
 * Performs an operation where `connection` says: over HTTP, or on the primary.
 * @param organization id from the command line
 */
export async function perform<Input, Result>(
  operation: Operation<Input, Result>,
  organization: string | undefined,
  input: Input,
): Promise<Result> {
  const profile = connection();
  if (profile !== undefined) {
    if (organization !== undefined) {
      throw new UsageError(
        '--organization works only with PRIMARY_DATABASE_URL. Over HTTP the organization is that of the API key.',
      );
    }
    return operation.http(httpTarget(profile.url, profile.apiKey), input);
  }
  const primary = openPrimary();
  try {
    const target = databaseTarget(primary, organization);
    try {
      return await operation.database(target, input);
    } catch (error) {
      const attempt = operation.audited?.(input);
      if (attempt !== undefined && error instanceof IamError) await target.recordRefusal(attempt, error);
      throw error;
    }
  } finally {
    await primary.pool.end();
  }
}
