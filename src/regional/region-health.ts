import type { HealthState } from '../http/management-app.ts';
import { LoneOutage } from './lone-outage.ts';
import type { Region } from './open-region.ts';

const seconds = (ms: number | undefined) => (ms === undefined ? null : Math.round(ms / 100) / 10);
const because = (failure: string | undefined) => (failure === undefined ? '' : `: ${failure}`);

/**
 * What the probes report about a pod. It is ready once `firstObstacles` is empty, and while its clock is right. A later fault counts
 * only if it affects this pod alone.
 */
export function regionHealth(region: Region, now: () => number): HealthState {
  const loneOutage = new LoneOutage({
    now,
    appliedUntilMs: () => region.freshness.appliedUntilMs,
    isReplicaAvailable: () => region.replica.isAvailable,
    othersConfirmedAtMs: () => region.confirmation?.othersConfirmedAtMs,
  });
  let wasReady = false;
  const untilReady = () => {
    if (wasReady) return [];
    const found = firstObstacles(region);
    wasReady = found.length === 0;
    return found;
  };
  return {
    closing: false,
    get started() {
      return region.feed.caughtUp;
    },
    obstacles: () => [...region.clock.obstacles(), ...untilReady(), ...loneOutage.obstacles()],
    details: () => ({ replication_age_seconds: seconds(region.replication.ageMs) }),
  };
}

/** What a pod needs to be ready for the first time. */
function firstObstacles({ schema, feed, replica, replication, trust }: Region): string[] {
  return [
    ...schema.obstacles,
    ...(feed.caughtUp
      ? []
      : [`the change feed has not caught up with the replica yet${because(feed.failure)}`]),
    ...(replica.hasAnswered ? [] : ['the replica has not answered a lookup yet']),
    ...(replication.complete
      ? []
      : [
          'the region has not all rows of the primary yet: no heartbeat has arrived since its tables were copied',
        ]),
    ...trust.obstacles,
  ];
}
