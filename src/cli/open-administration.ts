import type { Administration } from './administration.ts';
import { databaseAdministration, openPrimary } from './database-administration.ts';

/**
 * Opens what the commands work on and closes it after `work`, whatever happens.
 * @throws whatever `work` throws
 */
export async function withAdministration<Result>(
  organization: string | undefined,
  work: (administration: Administration) => Promise<Result>,
): Promise<Result> {
  const administration = databaseAdministration(openPrimary(), organization);
  try {
    return await work(administration);
  } finally {
    await administration.close();
  }
}
