import { flag, integer, serverUrl } from './types.ts';

/** The databases, and how long to wait for them. */
export const databaseSettings = {
  REPLICA_DATABASE_URL: serverUrl(/^postgres(ql)?$/)
    .optional()
    .meta({ secret: true })
    .describe('Postgres of the region, with the SELECT-only login (regional service).'),
  PRIMARY_DATABASE_URL: serverUrl(/^postgres(ql)?$/)
    .optional()
    .meta({ secret: true })
    .describe('Global Postgres (control plane and CLI).'),
  CHANGE_FEED_DATABASE_URL: serverUrl(/^postgres(ql)?$/)
    .optional()
    .meta({ secret: true })
    .describe(
      'Database URL of the change feed. If unset, REPLICA_DATABASE_URL. Set it behind a connection pooler: LISTEN does not work through transaction pooling.',
    ),
  DATABASE_TRANSACTION_POOLING: flag
    .default(false)
    .describe(
      'Set to true if REPLICA_DATABASE_URL or PRIMARY_DATABASE_URL leads to a connection pooler in transaction mode, such as PgBouncer. In a region, it requires CHANGE_FEED_DATABASE_URL.',
    ),
  DATABASE_POOL_SIZE: integer(1, 200)
    .default(8)
    .describe('Maximum number of database connections of a process.'),
  DATABASE_CONNECT_TIMEOUT_MS: integer(50, 60_000)
    .default(500)
    .describe('Timeout for opening a database connection.'),
  DATABASE_QUERY_TIMEOUT_MS: integer(50, 60_000).default(1_000).describe('Timeout of a database query.'),
} as const;
