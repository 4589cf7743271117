import type { Results } from './results.ts';

/** What one core does, as measured, and what a key takes. */
export interface PerCore {
  warmPerSecond: number;
  redisPerSecond: number;
  coldPerSecond: number;
  bytesPerKey: number;
}

/** A fleet to be sized. */
export interface Fleet {
  requestsPerSecond: number;
  regions: number;
  /** Keys in use within one region. */
  keysPerRegion: number;
}

/** What one region needs. */
export interface RegionNeeds {
  requestsPerSecond: number;
  pods: number;
  /** Memory of the caches of one pod. */
  cacheMebibytes: number;
  redisReadsPerSecond: number;
  /** Cold lookups, and the questions of every pod's change feed. */
  replicaReadsPerSecond: number;
  replicaConnections: number;
}

/**
 * What is assumed beside the measurements. Shares are of all requests; a pod has one core for its event loop, and is
 * not planned beyond half of it, so that one of two zones, or a deployment, can go missing.
 */
export const assumptions = {
  memoryShare: 0.99,
  redisShare: 0.0099,
  coldShare: 0.0001,
  utilization: 0.5,
  fewestPods: 3,
  feedQueriesPerSecond: 4,
  connectionsPerPod: 9,
} as const;

/** The figures of the last run; `undefined` while a case is missing. */
export function perCore(results: Results): PerCore | undefined {
  const find = (name: string, measure: RegExp) =>
    results[name]?.rows.find((row) => measure.test(row.measure))?.subject;
  const warmPerSecond = find('warm', /^throughput, 1,000/);
  const redisPerSecond = find('redis-hit', /^throughput/);
  const coldPerSecond = find('cold', /^throughput/);
  const bytesPerKey = find('memory', /resident/);
  if (warmPerSecond === undefined || redisPerSecond === undefined) return undefined;
  if (coldPerSecond === undefined || bytesPerKey === undefined) return undefined;
  return { warmPerSecond, redisPerSecond, coldPerSecond, bytesPerKey };
}

/** Sizes one region of a fleet whose load and keys are spread evenly. */
export function needsOfRegion(fleet: Fleet, core: PerCore): RegionNeeds {
  const { memoryShare, redisShare, coldShare, utilization, fewestPods } = assumptions;
  const requestsPerSecond = fleet.requestsPerSecond / fleet.regions;
  const secondsEach =
    memoryShare / core.warmPerSecond + redisShare / core.redisPerSecond + coldShare / core.coldPerSecond;
  const pods = Math.max(fewestPods, Math.ceil((requestsPerSecond * secondsEach) / utilization));
  return {
    requestsPerSecond,
    pods,
    cacheMebibytes: (fleet.keysPerRegion * core.bytesPerKey) / 2 ** 20,
    redisReadsPerSecond: requestsPerSecond * (redisShare + coldShare),
    replicaReadsPerSecond: requestsPerSecond * coldShare + pods * assumptions.feedQueriesPerSecond,
    replicaConnections: pods * assumptions.connectionsPerPod,
  };
}
