import type { Config } from '../../config.ts';
import type { HashParameters } from '../../credential/hash.ts';
import type { Database } from '../database.ts';

/** What every change of a key stands on. */
export interface LifecycleDeps {
  database: Database;
  now: () => number;
  randomBytes: (size: number) => Buffer;
  hashParameters: HashParameters;
  /** Written in front of new credentials. */
  credentialPrefix: string;
  /** Active internal keys an organization may have; its quota of external ones is in its row. */
  internalKeyQuota: number;
}

export function lifecycleDeps(
  config: Config,
  database: Database,
  world: Pick<LifecycleDeps, 'now' | 'randomBytes'>,
): LifecycleDeps {
  return {
    database,
    ...world,
    hashParameters: {
      memoryKiB: config.ARGON2_MEMORY_KIB,
      timeCost: config.ARGON2_TIME_COST,
      parallelism: config.ARGON2_PARALLELISM,
    },
    credentialPrefix: config.CREDENTIAL_PREFIX,
    internalKeyQuota: config.INTERNAL_KEY_QUOTA,
  };
}
