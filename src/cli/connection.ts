import { loadConfig } from '../config.ts';
import { UsageError } from './command-failure.ts';
import { DEFAULT_PROFILE, type Profile, readProfiles, requireProfile } from './profiles.ts';

/**
 * Where a command works: the profile of `--profile` or IAM_PROFILE, the control plane of IAM_CONTROL_PLANE_URL and
 * IAM_API_KEY, the primary, or the default profile, in this order.
 * @returns `undefined` for the primary of PRIMARY_DATABASE_URL
 * @throws {UsageError} if nothing is set, or half of a pair
 */
export function connection(environment: NodeJS.ProcessEnv = process.env): Profile | undefined {
  const config = loadConfig(environment);
  const { IAM_PROFILE: name, IAM_CONTROL_PLANE_URL: url, IAM_API_KEY: apiKey } = config;
  if (name !== undefined) return requireProfile(name);
  if (url !== undefined && apiKey !== undefined) return { url, apiKey };
  if (config.PRIMARY_DATABASE_URL !== undefined) return undefined;
  if (url !== undefined) {
    throw new UsageError(
      'IAM_CONTROL_PLANE_URL is set, but IAM_API_KEY is not. Set IAM_API_KEY, or run: iam login',
    );
  }
  const profile = readProfiles()[DEFAULT_PROFILE];
  if (profile !== undefined) return profile;
  throw new UsageError(
    'No control plane is configured. Run "iam login", or set IAM_CONTROL_PLANE_URL and IAM_API_KEY, or set PRIMARY_DATABASE_URL to work on the database.',
  );
}
