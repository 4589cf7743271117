/**
 * Each control plane adds one heartbeat per second (src/control-plane/heartbeat.ts). `beat` adds one per call and takes no counter from
 * its caller. Where the counter jumps, another generation begins. So a region is behind by at most the age of its newest heartbeat times
 * the number of control planes. No deployment has more of them than this.
 */
const MAX_HEARTBEATS_PER_SECOND = 100;

/** Covers the difference of two clocks, and heartbeats that have just arrived. */
const MARGIN_SECONDS = 10;

/**
 * The highest counter that any pod of the region can have seen.
 * @param counter of the newest heartbeat of this replica
 * @param beatAgeSeconds time since that heartbeat was written
 */
export function highestCounter(counter: number, beatAgeSeconds: number): number {
  return counter + Math.ceil((Math.max(0, beatAgeSeconds) + MARGIN_SECONDS) * MAX_HEARTBEATS_PER_SECOND);
}

/** Whether a value can be the counter of a heartbeat. */
export function isPlausibleCounter(value: number, highest: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= highest;
}
