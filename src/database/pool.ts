import pg from 'pg';

/** What a pool needs beyond its URL; all times in milliseconds. */
export interface PoolOptions {
  applicationName: string;
  size: number;
  connectTimeoutMs: number;
  queryTimeoutMs: number;
  /** Told of connections that break while idle; without a listener node-postgres ends the process. */
  onIdleError: (error: Error) => void;
}

/**
 * A connection pool whose every wait is bounded: for a connection, for the server (`statement_timeout`) and for a
 * server that has gone silent (`query_timeout`, on this side of the wire).
 */
export function createPool(connectionString: string, options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString,
    application_name: options.applicationName,
    max: options.size,
    connectionTimeoutMillis: options.connectTimeoutMs,
    statement_timeout: options.queryTimeoutMs,
    query_timeout: options.queryTimeoutMs + 100,
    idleTimeoutMillis: 0, // kept: a storm is no time to log in
    keepAlive: true,
  });
  pool.on('error', options.onIdleError);
  // While a connection is lent, or says goodbye, the pool does not listen, and an error that nobody listens to ends the
  // process. Who works with the connection is told by the rejection of the work.
  pool.on('connect', (client) => void client.on('error', () => {}));
  return pool;
}
