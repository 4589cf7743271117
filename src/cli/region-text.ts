import type { Problem } from '../database/findings.ts';
import type { AddedRegion } from '../database/region/add-region.ts';
import type { PrimaryState } from '../database/region/primary-state.ts';
import type { RegionSlot } from '../database/region/region-slots.ts';
import type { RegionState } from '../database/region/region-state.ts';
import type { RegionStatus } from '../database/region/region-status.ts';
import { countOf } from '../lib/count-of.ts';
import { table } from './output.ts';
import { problemLines } from './region-flags.ts';
import type { RegionList } from './region-list.ts';
import type { Removed } from './region-remove.ts';
import type { Resynced } from './region-resync.ts';

// The output of `iam region` for people.

export function addedText({
  subscription,
  applied,
  change,
  emptied,
  complete,
  missing,
  warnings,
  unchecked,
}: AddedRegion): string {
  return [
    ...applied.map((name) => `applied ${name}`),
    ...(emptied ? ['deleted the former rows of the region'] : []),
    `subscription ${subscription} ${change}; it receives changes from the primary`,
    ...(complete === true ? ['the region has all rows of the primary'] : []),
    ...(missing === undefined ? [] : [`The region is not complete. ${missing}`]),
    ...warningLines(warnings),
    ...unchecked.map((what) => `- Not checked: ${what}`),
  ].join('\n');
}

const warningLines = (warnings: readonly Problem[]) =>
  warnings.map(({ message, fix }) => `- Warning: ${message}\n  Fix: ${fix}`);

export function listText({ regions, retained_limit_bytes: limit }: RegionList): string {
  if (regions.length === 0) return 'the primary has no regions';
  return [
    table(
      ['NAME', 'STATE', 'RETAINED', 'CONFIRMED', 'ADDRESS'],
      regions.map((slot) => [
        slot.name,
        slotState(slot),
        size(slot.retained_bytes),
        slot.confirmed_lsn ?? '-',
        slot.address ?? '-',
      ]),
    ),
    `limit of retained WAL: ${limit === null ? 'none (max_slot_wal_keep_size is -1); a region that is down can fill the disk of the primary' : size(limit)}`,
  ].join('\n');
}

function slotState({
  active,
  inactive_since: since,
  wal_status: status,
  invalidation_reason: reason,
  initial_copy,
  ahead_bytes: ahead,
}: RegionSlot): string {
  if (status === 'lost') return `lost${reason === null ? '' : ` (${reason})`}`;
  const kind = initial_copy ? 'initial copy, ' : '';
  if (ahead > 0) return `${kind}receives nothing: it is ${size(ahead)} ahead of the primary`;
  if (active) return `${kind}connected`;
  return `${kind}not connected${since === null ? '' : ` since ${since}`}`;
}

export function statusText({
  in_step: inStep,
  problems,
  warnings,
  region,
  primary,
  primary_unreachable: unreachable,
}: RegionStatus): string {
  return [
    inStep ? 'in step with the primary' : 'not in step with the primary',
    ...(inStep ? [] : [problemLines(problems)]),
    ...warningLines(warnings),
    ...(unreachable === undefined ? [] : [`- Not checked: the primary. ${unreachable}`]),
    '',
    ...regionLines(region),
    ...(primary === null ? [] : primaryLines(primary)),
  ].join('\n');
}

function regionLines({
  subscription,
  worker,
  tables,
  heartbeat,
  errors,
  generation,
  breaks,
  lost_revocations: lost,
  buckets,
  comparison_age_seconds: compared,
}: RegionState): string[] {
  const notReady = tables
    .filter(({ state }) => state !== 'ready')
    .map(({ name, state }) => `${name} ${state}`);
  return [
    `subscription  ${subscription === null ? 'none' : `${subscription.name}, ${subscription.enabled ? 'enabled' : 'disabled'}`}`,
    `worker        ${worker.running ? `running, last message ${ago(worker.last_message_seconds)}` : 'not running'}`,
    `tables        ${notReady.length === 0 ? `${tables.length} ready` : notReady.join(', ')}`,
    `heartbeat     ${heartbeat === null ? 'none' : `${ago(heartbeat.age_seconds)}, ${heartbeat.complete ? 'complete' : 'not complete'}, epoch ${heartbeat.epoch}`}`,
    `buckets       ${buckets.diverged} diverged, ${buckets.suspected} suspected, ${buckets.unverified} unverified; oldest comparison ${compared === null ? 'none' : ago(compared)}`,
    `revocations   ${lost} lost and not repeated yet`,
    `errors        ${errors.apply} of the apply worker, ${errors.copy} of copies, ${countOf(errors.conflicts, 'conflict')}`,
    `generation    ${generation}`,
    ...breaks.map(({ at, reason }) => `  since       ${at} ${reason}`),
  ];
}

function primaryLines({ slot, positions, retained_limit_bytes: limit }: PrimaryState): string[] {
  return [
    ...(slot === null
      ? []
      : [
          `slot          ${slot.name}, ${slotState(slot)}, ${size(slot.retained_bytes)} retained, limit ${limit === null ? 'none' : size(limit)}`,
        ]),
    ...(positions === null
      ? []
      : [
          `positions     region ${positions.originLsn}, slot ${positions.confirmedLsn ?? 'none'}, primary ${positions.currentLsn} (${positions.verdict})`,
        ]),
  ];
}

export function resyncText({ plan, dry_run: dryRun, comparison, seconds }: Resynced): string {
  if (plan.action === 'nothing') return 'in step with the primary; nothing was changed';
  if (dryRun) {
    return [
      ...(plan.reasons.length === 0 ? [] : [problemLines(plan.reasons)]),
      plan.action === 'rebuild'
        ? `Would ${plan.drops_slot === null ? '' : `drop the slot ${plan.drops_slot}, `}give the region a new subscription, keep its rows and compare all of them.`
        : 'Would compare all rows and repair those that differ.',
      'Nothing was changed (--dry-run).',
    ].join('\n');
  }
  if (comparison === undefined) return '';
  return [
    ...(plan.action === 'rebuild' ? ['the region has a new subscription'] : []),
    `${countOf(comparison.differed, 'bucket')} differed`,
    comparison.equal
      ? `in step with the primary after ${seconds?.toFixed(1)} s`
      : `The region is not in step. ${comparison.missing}`,
  ].join('\n');
}

export function removedText({ subscription, slot, dry_run: dryRun }: Removed): string {
  const verb = dryRun ? 'would remove' : 'removed';
  const ofSlot = {
    dropped: `${verb} slot ${slot.name} of the primary`,
    'was gone': `the primary had no slot ${slot.name}`,
    left: `slot ${slot.name} stays; if the primary still exists: iam region remove --region-gone --name ${slot.name}`,
  };
  return [
    ...(subscription === null ? [] : [`${verb} subscription ${subscription}`]),
    ofSlot[slot.was],
    subscription === null
      ? 'If the region still exists, it receives no changes.'
      : 'The region keeps its rows, and its pods accept them without later revocations: stop its pods, then drop its database.',
    ...(dryRun ? ['Nothing was changed (--dry-run).'] : []),
  ].join('\n');
}

function ago(seconds: number | null): string {
  return seconds === null ? 'never' : `${seconds.toFixed(1)} s ago`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

function size(bytes: number): string {
  const exponent = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length - 1);
  return `${(bytes / 1024 ** exponent).toFixed(exponent === 0 ? 0 : 1)} ${UNITS[exponent]}`;
}
