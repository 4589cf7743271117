import pg from 'pg';
import type { ChangeSource } from './change-source.ts';

/** Bounds of the feed's own connection, in milliseconds. */
export interface FeedConnectionOptions {
  connectTimeoutMs: number;
  queryTimeoutMs: number;
}

/** A source that reads over such a connection. */
export interface FeedConnectionUser extends ChangeSource {
  /** As `connect`, over a connection that is open already. */
  take(connection: FeedConnection): Promise<void>;
}

/** A connection for the change feed alone, apart from the pool: a busy pool must not hold up an invalidation. */
export class FeedConnection {
  readonly #client: pg.Client;

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async open(
    url: string,
    options: FeedConnectionOptions,
    listeners: { notified: () => void; broken: (error: Error) => void },
  ): Promise<FeedConnection> {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'iam-change-feed',
      connectionTimeoutMillis: options.connectTimeoutMs,
      statement_timeout: options.queryTimeoutMs,
      query_timeout: options.queryTimeoutMs,
      keepAlive: true,
    });
    client.on('notification', listeners.notified);
    client.on('error', listeners.broken);
    client.on('end', () => listeners.broken(new Error('the connection ended')));
    const connection = new FeedConnection(client);
    try {
      await client.connect();
    } catch (error) {
      connection.close();
      throw error;
    }
    return connection;
  }

  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.#client.query<Row>(text, values)).rows;
  }

  /** Cuts the connection: a polite goodbye would wait for a peer that may be gone. */
  close(): void {
    this.#client.removeAllListeners('notification');
    (this.#client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  }
}
