import { beforeEach, expect, it } from 'vitest';
import { ReplicaTrust, type SharedCounters } from '../../../../src/keys/change-feed/replica-trust.ts';
import { goodEvidence } from '../../../support/evidence.ts';
import { recordingLogger } from '../../../support/recording-logger.ts';

const { logger, lines } = recordingLogger();
beforeEach(() => {
  lines.length = 0;
});
const HISTORY = [{ entity: 'history', generation: 'g1' }];
const EVERYTHING = [{ entity: 'everything' }];

function trustWith(counters?: Record<string, number>, isRecent = true): ReplicaTrust {
  const shared: SharedCounters | undefined = counters && {
    nameOf: (generation) => `key-of-${generation}`,
    read: async (generation) => {
      const counter = counters[generation];
      return counter === undefined ? undefined : { counter, isRecent };
    },
    store: async () => {},
  };
  return new ReplicaTrust({ shared, logger });
}

const judge = (trust: ReplicaTrust, bucket = 7) => [
  trust.judgeKey(() => bucket),
  trust.judgeRoles(() => bucket),
];
const COUNTS = ['counts', 'counts'];
const REFUSED = ['refused', 'refused'];
const UNEXAMINED = ['unexamined', 'unexamined'];

it('counts nothing before the first evidence', async () => {
  const trust = trustWith();
  expect([judge(trust), trust.isTrusted]).toEqual([UNEXAMINED, false]);
  expect(await trust.observe(goodEvidence)).toEqual(HISTORY);
  expect([judge(trust), trust.isTrusted, trust.obstacles]).toEqual([COUNTS, true, []]);
  expect(await trust.observe(goodEvidence)).toEqual([]);
});

it('refuses the rows of the named buckets, drops copies only when one is added, and is not ready while they are unverified', async () => {
  const trust = trustWith();
  await trust.observe(goodEvidence);
  const blocked = { ...goodEvidence, keyBuckets: [7], roleBuckets: [7], unverifiedBuckets: 2 };
  expect(await trust.observe(blocked)).toEqual(EVERYTHING);
  expect([judge(trust), judge(trust, 8), trust.obstacles.length]).toEqual([REFUSED, COUNTS, 1]);
  expect(await trust.observe({ ...blocked, roleBuckets: [], unverifiedBuckets: 0 })).toEqual([]);
  expect([judge(trust), trust.obstacles]).toEqual([['refused', 'counts'], []]);
});

it('starts the next history with the next generation', async () => {
  const trust = trustWith();
  await trust.observe(goodEvidence);
  expect(await trust.observe({ ...goodEvidence, generation: 'g2', counter: 0 })).toEqual([
    { entity: 'history', generation: 'g2' },
  ]);
});

it.each([
  ['without a memory of it', undefined, false],
  ['that is behind what other pods have seen', { g1: 2 }, false],
  ['that has what other pods have seen', { g1: 1 }, true],
  ['of a generation that no pod has seen', { g0: 1 }, false],
])('judges a replica that received nothing since its server started: %s', async (_, counters, isTrusted) => {
  const trust = trustWith(counters);
  await trust.observe({ ...goodEvidence, isContacted: false });
  expect([trust.isTrusted, judge(trust)]).toEqual([isTrusted, isTrusted ? COUNTS : REFUSED]);
});

it('is not confirmed by a counter that no pod has stored recently, until one has', async () => {
  const counters = { g1: 1 };
  const evidence = { ...goodEvidence, isContacted: false };
  const frozen = trustWith(counters, false);
  await frozen.observe(evidence);
  expect([judge(frozen), frozen.obstacles]).toEqual([
    REFUSED,
    [expect.stringMatching(/no heartbeat.*Redis has no recent counter of it \(key key-of-g1\)/)],
  ]);
  await frozen.observe({ ...evidence, isContacted: true });
  expect(judge(frozen)).toEqual(COUNTS);
});

it('names the counter in Redis that a replica is behind, and follows it down when a pod has replaced it', async () => {
  const counters = { g1: 5 };
  const trust = trustWith(counters);
  await trust.observe(goodEvidence);
  expect(trust.obstacles).toEqual([
    expect.stringMatching(
      /^the replica is 4 heartbeats behind .*by the counter in Redis.*delete the Redis key key-of-g1/,
    ),
  ]);
  counters.g1 = 9;
  await trust.observe({ ...goodEvidence, counter: 4 });
  expect(trust.obstacles).toEqual([expect.stringMatching(/^the replica is 1 heartbeats behind/)]);
  counters.g1 = 4;
  await trust.observe({ ...goodEvidence, counter: 4 });
  expect([judge(trust), trust.obstacles]).toEqual([COUNTS, []]);
});

it('refuses a replica that goes back until it has caught up, and drops what was cached', async () => {
  const trust = trustWith();
  await trust.observe({ ...goodEvidence, counter: 10 });
  expect(await trust.observe({ ...goodEvidence, counter: 9 })).toEqual(EVERYTHING);
  expect(judge(trust)).toEqual(REFUSED);
  await trust.observe({ ...goodEvidence, counter: 10 });
  expect(judge(trust)).toEqual(COUNTS);
});

it('waits for new evidence after a connection to a server that it has not seen', async () => {
  const trust = trustWith();
  expect(trust.connectedTo('s1')).toBe(false);
  await trust.observe(goodEvidence);
  expect(trust.connectedTo('s1')).toBe(false);
  expect(trust.connectedTo('s2')).toBe(true);
  expect([judge(trust), trust.obstacles.length]).toEqual([UNEXAMINED, 1]);
  await trust.observe({ ...goodEvidence, serverStartedAt: 's2' });
  expect(judge(trust)).toEqual(COUNTS);
});

it('counts a region without a heartbeat, which has no wrong rows', async () => {
  const trust = trustWith();
  expect(await trust.observe(undefined)).toEqual([]);
  expect([trust.connectedTo('s1'), judge(trust)]).toEqual([false, COUNTS]);
});

it.each([{ keyBuckets: [7] }, { roleBuckets: [7] }])('drops copies when %o is refused', async (buckets) => {
  const trust = trustWith();
  await trust.observe(goodEvidence);
  expect(await trust.observe({ ...goodEvidence, ...buckets })).toEqual(EVERYTHING);
});

it('computes no bucket while every row counts', async () => {
  const trust = trustWith();
  await trust.observe(goodEvidence);
  const bucketOf = () => expect.unreachable();
  expect([trust.judgeKey(bucketOf), trust.judgeRoles(bucketOf)]).toEqual(COUNTS);
});

it('logs one error per outage, and its end', async () => {
  const trust = trustWith();
  for (const counter of [10, 9, 9, 10, 11]) await trust.observe({ ...goodEvidence, counter });
  expect(lines.map(({ msg }) => msg)).toEqual([
    expect.stringMatching(/^no key is accepted: the replica is 1 heartbeats behind/),
    'the replica has the rows that this region had before',
  ]);
});

it('knows the last hundred servers behind one address', async () => {
  const trust = trustWith();
  await trust.observe(goodEvidence);
  for (let nth = 2; nth <= 100; nth += 1) trust.connectedTo(`s${nth}`);
  await trust.observe(goodEvidence);
  expect([trust.connectedTo('s1'), trust.connectedTo('s2')]).toEqual([false, false]);
  trust.connectedTo('s101');
  await trust.observe({ ...goodEvidence, serverStartedAt: 's101' });
  expect([trust.connectedTo('s101'), trust.connectedTo('s1')]).toEqual([false, true]);
});
