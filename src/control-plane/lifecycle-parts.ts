import type { HashParameters } from '../credential/hash.ts';
import type { Database } from './database.ts';

/** What every change of a key stands on. */
export interface LifecycleParts {
  database: Database;
  now: () => number;
  randomBytes: (size: number) => Buffer;
  hashParameters: HashParameters;
  /** Written in front of new credentials. */
  credentialPrefix: string;
}
