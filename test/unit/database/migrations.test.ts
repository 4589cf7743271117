import { readdir } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { LOGINS } from '../../../src/database/logins.ts';

/**
 * All migrations in the order in which they were added. Append a new one here. A database that has run all earlier ones
 * accepts only a higher number, and a file in `shared` applies to every database.
 */
const HISTORY = [
  'shared/0001_replicated_tables.sql',
  'primary/0002_primary.sql',
  'region/0002_change_feed.sql',
  'primary/0003_control_plane.sql',
  'primary/0004_audit_refusals.sql',
  'primary/0005_key_counters.sql',
  'primary/0006_predefined_roles.sql',
  'primary/0007_audit_targets.sql',
  'region/0008_change_order.sql',
  'shared/0009_no_writes_by_default.sql',
  'region/0010_complete_replica.sql',
  'shared/0013_digests.sql',
  'primary/0014_digests.sql',
  'region/0015_digests.sql',
  'primary/0016_version_after_xid.sql',
  'shared/0017_history.sql',
  'primary/0018_epoch.sql',
  'region/0019_history.sql',
  'shared/0020_repairs.sql',
  'primary/0021_repairs.sql',
  'region/0022_repairs.sql',
  'region/0030_readable_schema_version.sql',
  'primary/0031_readable_schema_version.sql',
  'region/0032_bounded_wakeups.sql',
  'shared/0033_secret_tags.sql',
  'primary/0036_role_bytes.sql',
  'primary/0042_row_security.sql',
  'region/0043_changes_of_last_version.sql',
  'region/0044_claims_after_a_break.sql',
  'primary/0046_counter_after_a_loss.sql',
];

const folder = new URL('../../../migrations/', import.meta.url);

it('the list names every migration', async () => {
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.sql'));
  expect([...HISTORY].sort()).toEqual(files.sort());
});

it.each([...new Set(LOGINS.map(({ kind }) => kind))])(
  'every migration of a %s database has a higher number than those added before it',
  (kind) => {
    const names = HISTORY.filter((name) => name.startsWith('shared/') || name.startsWith(`${kind}/`));
    const numbers = names.map((name) => Number(/\/(\d{4})_[a-z0-9_]+\.sql$/.exec(name)?.[1]));
    expect(numbers.filter((number, index) => !(number > (numbers[index - 1] ?? 0)))).toEqual([]);
  },
);
