import pg from 'pg';
import { forNode } from './connection-string.ts';

/** Options of a pool; times in milliseconds. */
export interface PoolOptions {
  applicationName: string;
  size: number;
  connectTimeoutMs: number;
  queryTimeoutMs: number;
  /** Whether the URL leads to a connection pooler that assigns a server connection per transaction. */
  transactionPooling?: boolean;
  /** Receives errors of idle connections. Without a listener, node-postgres ends the process. */
  onIdleError: (error: Error) => void;
  /** Runs on each new connection, before its first use. If it rejects, the connection is not used. */
  onConnect?: (client: pg.ClientBase) => Promise<void>;
}

/**
 * A connection pool with a timeout for every wait: for a connection, for the server (`statement_timeout`) and for a
 * server that stops responding (`query_timeout`, on the client). A pooler refuses `statement_timeout`, because its server
 * connections have many clients; there, the login has its own.
 */
export function createPool(connectionString: string, options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: forNode(connectionString),
    application_name: options.applicationName,
    max: options.size,
    connectionTimeoutMillis: options.connectTimeoutMs,
    ...(!options.transactionPooling && { statement_timeout: options.queryTimeoutMs }),
    query_timeout: options.queryTimeoutMs + 100,
    idleTimeoutMillis: 0, // keep connections: logins are expensive during a storm
    keepAlive: true,
    // The pool waits for the promise, which its types do not show.
    ...(options.onConnect && { onConnect: options.onConnect as (client: pg.ClientBase) => void }),
  });
  pool.on('error', options.onIdleError);
  // The pool does not listen for errors of a connection that is checked out or closing, and an unhandled error event
  // ends the process. The user of the connection sees the error as a rejection.
  pool.on('connect', (client) => void client.on('error', () => {}));
  return pool;
}
