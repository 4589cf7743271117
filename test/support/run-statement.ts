import pg from 'pg';

/** Runs one statement over a connection of its own: for what a pool or a transaction cannot do, such as CREATE DATABASE. */
export async function runStatement(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
