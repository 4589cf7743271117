import { loadConfig } from '../config.ts';
import { IamError } from '../errors.ts';
import { UsageError } from './command-failure.ts';
import { databaseTarget, openPrimary } from './database-target.ts';
import { httpTarget } from './http-target.ts';
import type { Operation } from './operations.ts';

/**
 * Performs an operation over HTTP if `IAM_CONTROL_PLANE_URL` and `IAM_API_KEY` are set, and on the primary otherwise.
 * @param organization id from the command line
 */
export async function perform<Input, Result>(
  operation: Operation<Input, Result>,
  organization: string | undefined,
  input: Input,
): Promise<Result> {
  const { IAM_CONTROL_PLANE_URL: url, IAM_API_KEY: credential } = loadConfig(process.env);
  if (url !== undefined && credential !== undefined) {
    if (organization !== undefined) {
      throw new UsageError(
        '--organization works only with PRIMARY_DATABASE_URL. Over HTTP the organization is that of IAM_API_KEY.',
      );
    }
    return operation.http(httpTarget(url, credential), input);
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
