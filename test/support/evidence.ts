import type { ReplicaEvidence } from '../../src/keys/change-feed/replica-trust.ts';

/** Evidence of a replica without any fault. */
export const goodEvidence: ReplicaEvidence = {
  generation: 'g1',
  counter: 1,
  beatAgeSeconds: 0,
  isContacted: true,
  serverStartedAt: 's1',
  keyBuckets: [],
  roleBuckets: [],
  unverifiedBuckets: 0,
};
