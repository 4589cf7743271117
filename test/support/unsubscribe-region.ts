import { runStatement } from './run-statement.ts';

/** Drops a region's subscription and its slot on the primary; an abandoned slot retains WAL without limit. */
export async function unsubscribeRegion(regionUrl: string, name: string): Promise<void> {
  await runStatement(regionUrl, `DROP SUBSCRIPTION IF EXISTS "${name}"`);
}
