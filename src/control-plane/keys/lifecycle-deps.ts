import type { Config } from '../../config.ts';
import type { HashParameters } from '../../credential/hash.ts';
import type { Database } from '../database.ts';
import { type RoleLimits, roleLimits } from '../roles/role-limits.ts';

/** Dependencies of every change of a key. */
export interface LifecycleDeps {
  database: Database;
  now: () => number;
  /** As `now`, to compute an expiration. @throws {IamError} while the clock is wrong */
  nowForExpiry: () => number;
  randomBytes: (size: number) => Buffer;
  hashParameters: HashParameters;
  /** Prefix of new credentials. */
  credentialPrefix: string;
  /** Active internal keys per organization. The quota of external keys is in `organizations.key_quota`. */
  internalKeyQuota: number;
  roleLimits: RoleLimits;
}

export function lifecycleDeps(
  config: Config,
  database: Database,
  sources: Pick<LifecycleDeps, 'now' | 'nowForExpiry' | 'randomBytes'>,
): LifecycleDeps {
  return {
    database,
    ...sources,
    hashParameters: {
      memoryKiB: config.ARGON2_MEMORY_KIB,
      timeCost: config.ARGON2_TIME_COST,
      parallelism: config.ARGON2_PARALLELISM,
    },
    credentialPrefix: config.CREDENTIAL_PREFIX,
    internalKeyQuota: config.INTERNAL_KEY_QUOTA,
    roleLimits: roleLimits(config),
  };
}
