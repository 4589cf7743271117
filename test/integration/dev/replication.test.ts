import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Client, type Notification } from 'pg';
import { expect, inject, it, onTestFinished } from 'vitest';

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** Creates a database for this test on one server of the run. */
async function createDatabase(serverUrl: string, name: string): Promise<{ client: Client; url: string }> {
  const server = await connect(serverUrl);
  await server.query(`CREATE DATABASE ${name}`);
  onTestFinished(() => void server.query(`DROP DATABASE ${name} WITH (FORCE)`).catch(() => {}));
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { client: await connect(url.href), url: url.href };
}

it('fires a trigger in the region within 100 ms of a commit on the primary', async () => {
  const { primary, region } = inject('postgres');
  const name = `replication_${randomBytes(4).toString('hex')}`;
  const from = await createDatabase(primary.url, name);
  const to = await createDatabase(region.url, name);
  for (const { client } of [from, to]) await client.query('CREATE TABLE rows (id int PRIMARY KEY)');
  await to.client.query(`
    CREATE FUNCTION notify_insert() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_notify('rows', NEW.id::text); RETURN NULL; END $$;
    CREATE TRIGGER notify_insert AFTER INSERT ON rows FOR EACH ROW EXECUTE FUNCTION notify_insert();
    ALTER TABLE rows ENABLE ALWAYS TRIGGER notify_insert`);
  await from.client.query(`CREATE PUBLICATION ${name} FOR TABLE rows`);
  await to.client.query(
    `CREATE SUBSCRIPTION ${name} CONNECTION '${from.url}' PUBLICATION ${name} WITH (streaming = off)`,
  );
  onTestFinished(async () => void (await to.client.query(`DROP SUBSCRIPTION ${name}`)));
  await to.client.query('LISTEN rows');

  const insert = async (id: number): Promise<number> => {
    const notified = once(to.client, 'notification') as Promise<[Notification]>;
    await from.client.query('INSERT INTO rows VALUES ($1)', [id]);
    const committed = performance.now();
    expect((await notified)[0].payload).toBe(String(id));
    return performance.now() - committed;
  };
  await insert(0); // the first insert also waits for the initial copy
  const lagsMs: number[] = [];
  for (let id = 1; id <= 50; id++) lagsMs.push(await insert(id));
  const median = lagsMs.toSorted((a, b) => a - b)[25];
  expect(median).toBeLessThan(100);
});
