import { connectionProblem, databaseUrlProblem } from '../database/connection-problem.ts';
import type { Problem } from '../database/findings.ts';
import { assertVerified } from '../database/verified-connection.ts';
import { UsageError } from './command-failure.ts';
import type { CommonOptions } from './run.ts';
import { canAsk, confirm } from './terminal.ts';

export interface ListFlags extends CommonOptions {
  primary?: string;
}

export interface RegionFlags extends ListFlags {
  databaseUrl?: string;
}

interface Destructive {
  name?: string;
  yes?: boolean;
}

export interface AddFlags extends RegionFlags, Destructive {
  emptyFirst?: boolean;
  wait: boolean;
  timeout: string;
}

export interface ResyncFlags extends RegionFlags, Destructive {
  dryRun?: boolean;
}

export interface RemoveFlags extends ResyncFlags {
  regionGone?: boolean;
  primaryGone?: boolean;
  force?: boolean;
}

/** @throws UsageError */
export function regionUrl({ databaseUrl }: RegionFlags): string {
  if (databaseUrl) return checkedDatabaseUrl(databaseUrl);
  throw new UsageError('No database of a region is set. Set MIGRATE_DATABASE_URL or use --database-url.');
}

/** @throws UsageError */
export function primaryConnection({ primary }: ListFlags): string {
  if (primary) return checkedPrimary(primary, '--primary');
  throw new UsageError('No primary is set. Set SUBSCRIBE_TO or use --primary.');
}

/** @throws UsageError or UnverifiedConnectionError that has no part of the URL */
export function checkedDatabaseUrl(url: string): string {
  const problem = databaseUrlProblem(url);
  if (problem !== undefined)
    throw new UsageError(`The URL of --database-url (MIGRATE_DATABASE_URL) cannot be used: ${problem}.`);
  assertVerified(url, '--database-url (MIGRATE_DATABASE_URL)');
  return url;
}

/**
 * @param flag its name; the variable is the same
 * @throws UsageError or UnverifiedConnectionError that has no part of the connection string
 */
export function checkedPrimary(connection: string, flag: string): string {
  const problem = connectionProblem(connection);
  if (problem !== undefined)
    throw new UsageError(`The connection string of ${flag} (SUBSCRIBE_TO) cannot be used: ${problem}.`);
  assertVerified(connection, `${flag} (SUBSCRIBE_TO)`);
  return connection;
}

/** Asks on a terminal. @throws UsageError if the answer is not yes */
export async function consent(flags: CommonOptions & Destructive, question: string): Promise<void> {
  const mustAsk = flags.yes !== true && flags.json !== true && canAsk();
  if (mustAsk && !(await confirm(question))) throw new UsageError('Nothing was changed.');
}

/** Progress goes to standard error, so that the output stays the result. */
export function report(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Problems, in the words of `iam region`. */
export function problemLines(problems: readonly Problem[]): string {
  return problems
    .map(({ message, fix }) => `- ${message}\n  Fix: ${fix}`)
    .join('\n')
    .replaceAll('--subscribe-to', '--primary')
    .replaceAll('--subscription-name', '--name');
}
