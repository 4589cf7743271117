import pg from 'pg';
import { attachSlot, createSlot, dropSlot, inTransaction } from './attach-slot.ts';
import { publishedTables } from './primary-state.ts';
import { onPrimary } from './reach-primary.ts';

/** Its rows do not stop a copy: a trigger replaces them (migrations/region/0015_digests.sql). */
const REPLACED = 'digests';

/** The tables that a subscription would copy although they hold rows, so that the copy would fail for ever. */
export async function tablesWithRows(region: pg.ClientBase, connection: string): Promise<string[]> {
  const published = await onPrimary(connection, publishedTables);
  const { rows: existing } = await region.query<{ name: string }>(
    `SELECT relname::text AS name FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname = ANY ($1) ORDER BY 1`,
    [published.filter((name) => name !== REPLACED)],
  );
  const full: string[] = [];
  for (const { name } of existing) {
    const { rowCount } = await region.query(`SELECT FROM ${pg.escapeIdentifier(name)} LIMIT 1`);
    if (rowCount === 1) full.push(name);
  }
  return full;
}

/**
 * Empties the replicated tables and subscribes the region, in one step. From then on, keys that are not copied yet get 503: the
 * region knows that it is not complete.
 */
export async function subscribeEmptied(
  region: pg.ClientBase,
  connection: string,
  name: string,
): Promise<void> {
  await onPrimary(connection, async (primary) => {
    const tables = (await publishedTables(primary)).map((table) => pg.escapeIdentifier(table));
    await createSlot(region, primary, name);
    try {
      await inTransaction(region, async () => {
        await region.query(`TRUNCATE ${tables.join(', ')}`);
        await attachSlot(region, primary, { name, slot: name, connection, copyData: true });
      });
    } catch (error) {
      await dropSlot(primary, name);
      throw error;
    }
  });
}
