import pg from 'pg';

/** Runs one statement on a new connection, such as CREATE DATABASE, which cannot run in a transaction. */
export async function runStatement(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
