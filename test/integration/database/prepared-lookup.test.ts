import pg from 'pg';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { PreparedLookup, type TextRow } from '../../../src/database/prepared-lookup.ts';

let client: pg.Client;

async function connect(config: pg.ClientConfig = {}) {
  await client?.end();
  client = new pg.Client({ connectionString: inject('postgres').region.url, ...config });
  client.on('error', () => {});
  await client.connect();
}

beforeEach(() => connect());
afterEach(() => client.end());

function lookUp(text: string, value: string, name = 'test'): Promise<TextRow[]> {
  return new Promise((resolve, reject) => {
    client.query(
      new PreparedLookup(name, text, value, (error, rows) =>
        error === null ? resolve(rows) : reject(error),
      ),
    );
  });
}

describe('PreparedLookup', () => {
  it('returns rows as texts, NULL as null, in the order of the columns', async () => {
    const rows = await lookUp(
      `SELECT number, NULL, $1::text, number = 1, '{"a": 1}'::jsonb FROM generate_series(1, 3) AS number`,
      'value',
    );
    expect(rows).toEqual([
      ['1', null, 'value', 't', '{"a": 1}'],
      ['2', null, 'value', 'f', '{"a": 1}'],
      ['3', null, 'value', 'f', '{"a": 1}'],
    ]);
  });

  it.each(['', 'x', 'Schlüssel 鍵 🔑', "'; DROP TABLE api_keys; --", 'a'.repeat(100_000)])(
    'passes any value unchanged (%#)',
    async (value) => {
      expect(await lookUp('SELECT $1::text', value)).toEqual([[value]]);
    },
  );

  it('prepares a statement once per connection and runs it with other values', async () => {
    for (const value of ['one', 'two', 'three']) {
      expect(await lookUp('SELECT $1::text', value, 'once')).toEqual([[value]]);
    }
    const { rows } = await client.query("SELECT name FROM pg_prepared_statements WHERE name = 'once'");
    expect(rows).toHaveLength(1);
  });

  it('alternates with ordinary queries on a connection, each with its own result', async () => {
    expect(await lookUp('SELECT $1::text', 'first', 'turns')).toEqual([['first']]);
    expect((await client.query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }]);
    expect(await lookUp('SELECT $1::text', 'third', 'turns')).toEqual([['third']]);
    expect(await lookUp('SELECT $1::text WHERE false', 'none', 'none')).toEqual([]);
  });

  it('rejects with the error of a failed statement, and the connection stays usable', async () => {
    await expect(lookUp('SELECT nonsense($1)', 'x', 'bad')).rejects.toMatchObject({ code: '42883' });
    await expect(lookUp('SELECT 1 / $1::int', '0', 'zero')).rejects.toMatchObject({ code: '22012' });
    expect(await lookUp('SELECT 1 / $1::int', '1', 'zero')).toEqual([['1']]);
  });

  it('rejects after the query timeout', async () => {
    await connect({ query_timeout: 50 });
    await expect(lookUp('SELECT pg_sleep($1::float8)', '0.3')).rejects.toThrow('timeout');
  });

  it('rejects when the connection is lost', async () => {
    const lost = lookUp('SELECT pg_terminate_backend(pg_backend_pid()), $1::text', 'x');
    await expect(lost).rejects.toThrow();
  });
});
