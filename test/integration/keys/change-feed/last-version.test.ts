import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabases, type TestDatabases } from '../../../support/databases.ts';
import { insertKey } from '../../../support/keys.ts';
import { putRole } from '../../../support/roles.ts';

const HIGHEST = '9223372036854775807';

let databases: TestDatabases;
beforeAll(async () => {
  databases = await createDatabases();
});
afterAll(() => databases?.close());

it('a region records the deletion of rows with the highest version, instead of stopping at them', async () => {
  const { primary, region } = databases;
  const { id } = await insertKey(primary);
  await putRole(primary, 'org', 'analyst', {});
  await databases.replicated();
  for (const table of ['api_keys', 'roles'])
    await region.query(`UPDATE ${table} SET version = $1`, [HIGHEST]);
  await region.query('TRUNCATE changes');

  await primary.query('DELETE FROM api_keys WHERE id = $1', [id]);
  await primary.query("DELETE FROM roles WHERE name = 'analyst'");
  await databases.replicated();

  const { rows } = await region.query(
    "SELECT entity, id, version FROM changes WHERE entity <> 'everything' ORDER BY seq",
  );
  expect(rows).toEqual([
    { entity: 'key', id, version: HIGHEST },
    { entity: 'roles', id: '["org", "elasticsearch", "p1"]', version: HIGHEST },
  ]);
});
