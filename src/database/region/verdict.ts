import { countOf } from '../../lib/count-of.ts';
import type { Problem } from '../findings.ts';
import { REPEAT_LOST_REVOCATIONS } from './lost-revocations.ts';
import type { PrimaryState } from './primary-state.ts';
import { isUsable } from './region-slots.ts';
import type { RegionState } from './region-state.ts';

/** How old the region's data may be, and how old what the control plane writes every second. */
export const HEARTBEAT_LIMIT_SECONDS = 10;
/** Each part is compared about every 4 s. */
export const COMPARISON_LIMIT_SECONDS = 30;

/**
 * What keeps a region from being in step with the primary, the cause first. Nothing means that it is in step.
 * @param primary undefined if it was not reached
 */
export function problemsOf(region: RegionState, primary: PrimaryState | undefined): Problem[] {
  if (region.standby) {
    return [
      {
        message: 'The server of the region is a physical standby, which has no subscription.',
        fix: 'Look at pg_stat_replication of the server that it follows.',
      },
    ];
  }
  if (region.subscription === null) {
    return [
      {
        message: 'The region has no subscription to the primary.',
        fix: 'Run "iam region add", or "iam region resync" to keep the rows that it has.',
      },
    ];
  }
  return [
    ...slotProblems(primary),
    ...controlPlaneProblems(primary),
    ...workerProblems(region),
    ...tableProblems(region, primary),
    ...heartbeatProblems(region),
    ...comparisonProblems(region),
  ];
}

/** What a comparison with the primary cannot show: the primary itself has lost it. */
export function warningsOf({ lost_revocations: lost }: RegionState): Problem[] {
  if (lost === 0) return [];
  return [
    {
      message: `The primary has lost the revocation of ${countOf(lost, 'key')}. The region accepts what it had refused.`,
      fix: `Find the keys in lost_revocations and run "iam keys revoke --organization <id> -- <ids>" (${REPEAT_LOST_REVOCATIONS}).`,
    },
  ];
}

/** Whether only a new subscription helps: the slot is gone or lost, or Postgres would skip the primary's next transactions. */
export function needsRebuild({ slot, positions }: PrimaryState): boolean {
  return slot === null || !isUsable(slot) || positions?.verdict === 'origin-ahead';
}

const RESYNC = 'Run "iam region resync". The region serves meanwhile.';

function slotProblems(primary: PrimaryState | undefined): Problem[] {
  if (primary === undefined) return [];
  const { slot, positions } = primary;
  if (slot === null) {
    return [
      {
        message:
          'The primary has no replication slot for the region (any more), so the region misses changes.',
        fix: `${RESYNC} If the connection string leads to another primary, correct it with "iam region add".`,
      },
    ];
  }
  if (slot.wal_status === 'lost') {
    return [
      {
        message: `The primary has invalidated the slot ${slot.name} (${slot.invalidation_reason ?? 'max_slot_wal_keep_size'}), so the region misses changes.`,
        fix: RESYNC,
      },
    ];
  }
  if (slot.ahead_bytes > 0 || positions?.verdict === 'origin-ahead') {
    return [
      {
        message:
          'The region has applied changes that the primary does not have: the primary was restored, or promoted with a loss. Until its WAL is as long again, the region receives nothing.',
        fix: RESYNC,
      },
    ];
  }
  return [];
}

function controlPlaneProblems(primary: PrimaryState | undefined): Problem[] {
  const age = primary?.heartbeat_age_seconds;
  if (age === undefined || (age !== null && age <= HEARTBEAT_LIMIT_SECONDS)) return [];
  return [
    {
      message:
        'No control plane writes the heartbeat of the primary, so the region cannot know that it is complete.',
      fix: 'Start "iam control-plane", and look at its log.',
    },
  ];
}

function workerProblems({ subscription, worker, errors, heartbeat }: RegionState): Problem[] {
  if (subscription?.enabled === false) {
    return [{ message: 'The subscription is disabled.', fix: 'Run "iam region add", which enables it.' }];
  }
  const isStale = (heartbeat?.received_seconds ?? 0) > HEARTBEAT_LIMIT_SECONDS;
  if (worker.running && !(isStale && errors.apply > 0)) return [];
  const failed = errors.apply > 0 ? ` It has failed ${countOf(errors.apply, 'time')}.` : '';
  return [
    {
      message: `The apply worker of the subscription does not run, or restarts.${failed}`,
      fix: 'The log of the region\'s server states the cause. A wrong connection string: run "iam region add".',
    },
  ];
}

function tableProblems({ tables }: RegionState, primary: PrimaryState | undefined): Problem[] {
  const missing = (primary?.published_tables ?? []).filter(
    (name) => !tables.some((table) => table.name === name),
  );
  const copying = tables.filter(({ state }) => state !== 'ready').map(({ name }) => name);
  return [
    ...(missing.length === 0
      ? []
      : [
          {
            message: `The subscription does not include ${missing.join(', ')}.`,
            fix: 'Run "iam region add", which refreshes the subscription.',
          },
        ]),
    ...(copying.length === 0
      ? []
      : [
          {
            message: `The region still copies ${copying.join(', ')}.`,
            fix: 'Wait. "iam region add" shows the progress.',
          },
        ]),
  ];
}

function heartbeatProblems({ heartbeat, tables }: RegionState): Problem[] {
  if (heartbeat === null) {
    return [
      { message: 'No heartbeat has arrived.', fix: 'Wait a few seconds after the start of a control plane.' },
    ];
  }
  const age = Math.round(heartbeat.age_seconds);
  if (heartbeat.received_seconds > HEARTBEAT_LIMIT_SECONDS) {
    return [
      {
        message: `No heartbeat has arrived for ${Math.round(heartbeat.received_seconds)} s.`,
        fix: 'If nothing else is reported, wait: a large transaction is applied as a whole.',
      },
    ];
  }
  if (age > HEARTBEAT_LIMIT_SECONDS) {
    return [
      {
        message: `The region's data is ${age} s old, or the clock of the primary is behind that of the region.`,
        fix: 'Compare both clocks. If they agree, wait: the region applies what it has missed.',
      },
    ];
  }
  if (age < -HEARTBEAT_LIMIT_SECONDS) {
    return [
      {
        message: `The clock of the primary is ${-age} s ahead of that of the region, so the age of the data is not known.`,
        fix: 'Correct the clock that is wrong.',
      },
    ];
  }
  if (heartbeat.complete || tables.some(({ state }) => state !== 'ready')) return [];
  return [{ message: 'No heartbeat has arrived since the tables were copied.', fix: 'Wait a second.' }];
}

function comparisonProblems({ buckets, comparison_age_seconds: age }: RegionState): Problem[] {
  const problems: Problem[] = [];
  if (buckets.diverged > 0) {
    problems.push({
      message: `Buckets with other rows than the primary: ${buckets.diverged}.`,
      fix: 'Run "iam region resync".',
    });
  }
  if (buckets.unverified > 0) {
    problems.push({
      message: `Buckets that have not been compared since the region may have missed changes: ${buckets.unverified}.`,
      fix: 'Wait: each is compared within 4 s.',
    });
  }
  if (age === null || age > COMPARISON_LIMIT_SECONDS) {
    problems.push({
      message:
        age === null
          ? 'The region has not compared all of its rows with the primary.'
          : `The oldest comparison with the primary is ${Math.round(age)} s old.`,
      fix: 'Wait a few seconds after the start of a control plane, which publishes the digests.',
    });
  }
  return problems;
}
