import type pg from 'pg';
import { messageOf } from '../../lib/message-of.ts';
import type { Problem } from '../findings.ts';
import { type PrimaryState, readPrimaryState } from './primary-state.ts';
import { onPrimary } from './reach-primary.ts';
import { type RegionState, readRegionState, storedConnection } from './region-state.ts';
import { problemsOf, warningsOf } from './verdict.ts';

/** The state of a region, with a verdict. The names are those of `--json`. */
export interface RegionStatus {
  in_step: boolean;
  /** The cause first. */
  problems: readonly Problem[];
  /** What needs an operator although the region is in step. */
  warnings: readonly Problem[];
  region: RegionState;
  /** Null if it was not reached; `primary_unreachable` says why. */
  primary: PrimaryState | null;
  primary_unreachable?: string;
}

/**
 * Reads the state of a region, also from the primary if it can be reached.
 * @param connection of the primary; by default the one of the subscription
 * @param name of the slot if the region has no subscription
 */
export async function readRegionStatus(
  region: pg.ClientBase,
  connection?: string,
  name = '',
): Promise<RegionStatus> {
  const state = await readRegionState(region);
  const { subscription } = state;
  const seen = await tryPrimary(connection ?? (await storedConnection(region)), (primary) =>
    readPrimaryState(primary, region, {
      ...(subscription !== null && { name: subscription.name }),
      slot: subscription?.slot ?? subscription?.name ?? name,
    }),
  );
  const problems = [
    ...(connection !== undefined && seen.primary === null ? [unreachable(seen.primary_unreachable)] : []),
    ...problemsOf(state, seen.primary ?? undefined),
  ];
  return { in_step: problems.length === 0, problems, warnings: warningsOf(state), region: state, ...seen };
}

/** Without `--primary` the region may be in step all the same: not every login may read the connection string. */
function unreachable(reason = ''): Problem {
  return { message: `The primary cannot be reached (${reason}).`, fix: 'Check --primary (SUBSCRIBE_TO).' };
}

async function tryPrimary(
  connection: string | undefined,
  read: (primary: pg.Client) => Promise<PrimaryState>,
): Promise<Pick<RegionStatus, 'primary' | 'primary_unreachable'>> {
  if (connection === undefined) {
    return { primary: null, primary_unreachable: 'The connection string of the primary is not known.' };
  }
  try {
    return { primary: await onPrimary(connection, read) };
  } catch (error) {
    return { primary: null, primary_unreachable: messageOf(error) };
  }
}
