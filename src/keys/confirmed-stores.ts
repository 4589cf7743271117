import { IamError } from '../errors.ts';
import { keyBucket, roleBucket } from './buckets.ts';
import type { ReplicaTrust, RowVerdict } from './change-feed/replica-trust.ts';
import { type KeyStore, StoreUnavailableError } from './key-store.ts';
import type { RoleStore } from './role-store.ts';

/** @throws {IamError} 503 if the row of the key does not count now; `StoreUnavailableError` before the first evidence */
export function assertKeyCounts(trust: ReplicaTrust, id: string): void {
  assertCounts(trust.judgeKey(() => keyBucket(id)));
}

/** A store that reads no key whose row does not count. @throws as `assertKeyCounts` */
export function confirmedKeys(inner: KeyStore, trust: ReplicaTrust): KeyStore {
  return {
    get: async (query) => {
      assertKeyCounts(trust, query.id);
      return await inner.get(query);
    },
  };
}

/** A store that reads no roles whose rows do not count. @throws as `assertKeyCounts` */
export function confirmedRoles(inner: RoleStore, trust: ReplicaTrust): RoleStore {
  return {
    get: async (scope, names, budget) => {
      assertCounts(trust.judgeRoles(() => roleBucket(scope)));
      return await inner.get(scope, names, budget);
    },
  };
}

function assertCounts(verdict: RowVerdict): void {
  if (verdict === 'unexamined') throw new StoreUnavailableError('The replica');
  if (verdict === 'refused') throw new IamError('REPLICA_UNCONFIRMED');
}
