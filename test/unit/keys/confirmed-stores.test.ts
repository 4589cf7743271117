import pino from 'pino';
import { expect, it } from 'vitest';
import { keyBucket, roleBucket } from '../../../src/keys/buckets.ts';
import { ReplicaTrust } from '../../../src/keys/change-feed/replica-trust.ts';
import { assertKeyCounts, confirmedKeys, confirmedRoles } from '../../../src/keys/confirmed-stores.ts';
import { StoreUnavailableError } from '../../../src/keys/key-store.ts';
import type { RoleScope } from '../../../src/keys/role-store.ts';
import { goodEvidence } from '../../support/evidence.ts';

const DIFFERS = 'of a row that differs';
const scopeOf = (projectId: string): RoleScope => ({
  organizationId: 'org',
  projectType: 'elasticsearch',
  projectId,
});

/** The result of each way to use a key and the roles of a project, and how often the stores were read. */
async function use(trust: ReplicaTrust, id: string) {
  let reads = 0;
  const read = async () => {
    reads += 1;
    return undefined as never;
  };
  const outcomes = await Promise.allSettled([
    (async () => assertKeyCounts(trust, id))(),
    confirmedKeys({ get: read }, trust).get({ id, digest: 'd' }),
    confirmedRoles({ get: read }, trust).get(scopeOf(id)),
  ]);
  return { reads, errors: outcomes.map((one) => (one.status === 'rejected' ? one.reason : undefined)) };
}

it('reads only rows that count', async () => {
  const trust = new ReplicaTrust({ shared: undefined, logger: pino({ level: 'silent' }) });
  const unexamined = expect.any(StoreUnavailableError);
  expect(await use(trust, 'good')).toEqual({ reads: 0, errors: [unexamined, unexamined, unexamined] });
  const refusedBuckets = { keyBuckets: [keyBucket(DIFFERS)], roleBuckets: [roleBucket(scopeOf(DIFFERS))] };
  await trust.observe({ ...goodEvidence, ...refusedBuckets });
  expect(await use(trust, 'good')).toEqual({ reads: 2, errors: [undefined, undefined, undefined] });
  const refused = expect.objectContaining({ reason: 'REPLICA_UNCONFIRMED' });
  expect(await use(trust, DIFFERS)).toEqual({ reads: 0, errors: [refused, refused, refused] });
});
