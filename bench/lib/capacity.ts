import type { Results } from './results.ts';

/** Measured capacity of one core and memory per key. */
export interface CoreCapacity {
  warmPerSecond: number;
  redisPerSecond: number;
  coldPerSecond: number;
  bytesPerKey: number;
}

/** Load and keys of a fleet. */
export interface Fleet {
  requestsPerSecond: number;
  regions: number;
  /** Keys in use within one region. */
  keysPerRegion: number;
}

/** Resources of one region. */
export interface RegionSize {
  requestsPerSecond: number;
  pods: number;
  /** Memory of the caches in one pod. */
  cacheMebibytes: number;
  redisReadsPerSecond: number;
  /** Cold lookups plus the queries of every pod's change feed. */
  replicaReadsPerSecond: number;
  replicaConnections: number;
}

/**
 * Assumptions beside the measurements. Shares refer to all requests. A pod has one core for its event loop; the plan
 * uses half of it, so that the region survives the loss of one of two zones and a rolling deployment.
 */
export const assumptions = {
  memoryShare: 0.99,
  redisShare: 0.0099,
  coldShare: 0.0001,
  utilization: 0.5,
  minPods: 3,
  feedQueriesPerSecond: 4,
  connectionsPerPod: 9,
} as const;

/** Capacity from the last results; `undefined` if a case has no result. */
export function measuredCoreCapacity(results: Results): CoreCapacity | undefined {
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

/** Sizes one region. The fleet spreads its load and keys evenly over the regions. */
export function sizeRegion(fleet: Fleet, core: CoreCapacity): RegionSize {
  const { memoryShare, redisShare, coldShare, utilization, minPods } = assumptions;
  const requestsPerSecond = fleet.requestsPerSecond / fleet.regions;
  const secondsPerRequest =
    memoryShare / core.warmPerSecond + redisShare / core.redisPerSecond + coldShare / core.coldPerSecond;
  const pods = Math.max(minPods, Math.ceil((requestsPerSecond * secondsPerRequest) / utilization));
  return {
    requestsPerSecond,
    pods,
    cacheMebibytes: (fleet.keysPerRegion * core.bytesPerKey) / 2 ** 20,
    redisReadsPerSecond: requestsPerSecond * (redisShare + coldShare),
    replicaReadsPerSecond: requestsPerSecond * coldShare + pods * assumptions.feedQueriesPerSecond,
    replicaConnections: pods * assumptions.connectionsPerPod,
  };
}
