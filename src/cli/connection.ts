import { loadConfig } from '../config.ts';
import { UsageError } from './command-failure.ts';
import { DEFAULT_PROFILE, type Profile, readProfiles, requireProfile } from './profiles.ts';

/**
 * Where a command works. The first of these decides: the profile of `--profile` or IAM_PROFILE, IAM_CONTROL_PLANE_URL with
 * IAM_API_KEY, PRIMARY_DATABASE_URL, the default profile. IAM_CONTROL_PLANE_URL alone must name the same control plane as
 * the default profile: its key goes nowhere else.
 * @returns `undefined` for the primary of PRIMARY_DATABASE_URL
 * @throws {UsageError} if nothing is set, or a URL without a key for it
 */
export function connection(environment: NodeJS.ProcessEnv = process.env): Profile | undefined {
  const config = loadConfig(environment);
  const { IAM_PROFILE: name, IAM_CONTROL_PLANE_URL: url, IAM_API_KEY: apiKey } = config;
  if (name !== undefined) return requireProfile(name);
  if (url !== undefined && apiKey !== undefined) return { url, apiKey };
  if (config.PRIMARY_DATABASE_URL !== undefined) return undefined;
  const profile = readProfiles()[DEFAULT_PROFILE];
  if (profile !== undefined && (url === undefined || isSameUrl(url, profile.url))) return profile;
  if (url === undefined) {
    throw new UsageError(
      'No control plane is configured. Run "iam login", or set IAM_CONTROL_PLANE_URL and IAM_API_KEY, or set PRIMARY_DATABASE_URL to work on the database.',
    );
  }
  if (profile === undefined) {
    throw new UsageError(
      'IAM_CONTROL_PLANE_URL is set, but IAM_API_KEY is not. Set IAM_API_KEY, or run: iam login',
    );
  }
  throw new UsageError(
    `IAM_CONTROL_PLANE_URL is set without IAM_API_KEY, and the profile "${DEFAULT_PROFILE}" is for another control plane (${new URL(profile.url).origin}). To use the profile, pass --profile ${DEFAULT_PROFILE} or unset IAM_CONTROL_PLANE_URL. Otherwise set IAM_API_KEY.`,
  );
}

function isSameUrl(one: string, two: string): boolean {
  const [first, second] = [one, two].map((url) => new URL(url).href.replace(/\/+$/, ''));
  return first === second;
}
