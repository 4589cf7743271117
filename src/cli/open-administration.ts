import { loadConfig } from '../config.ts';
import type { Administration } from './administration.ts';
import { UsageError } from './command-failure.ts';
import { databaseAdministration, openPrimary } from './database-administration.ts';
import { httpAdministration } from './http-administration.ts';

/**
 * Opens what the commands work on and closes it after `work`, whatever happens: the control plane over HTTP when its
 * URL and a key are in the environment, the database otherwise.
 * @throws whatever `work` throws
 */
export async function withAdministration<Result>(
  organization: string | undefined,
  work: (administration: Administration) => Promise<Result>,
): Promise<Result> {
  const administration = open(organization);
  try {
    return await work(administration);
  } finally {
    await administration.close();
  }
}

function open(organization: string | undefined): Administration {
  const { IAM_CONTROL_PLANE_URL: url, IAM_API_KEY: credential } = loadConfig(process.env);
  if (url === undefined || credential === undefined) {
    return databaseAdministration(openPrimary(), organization);
  }
  if (organization !== undefined) {
    throw new UsageError('--organization works at the database only; over HTTP it is that of IAM_API_KEY.');
  }
  return httpAdministration({ url, credential });
}
