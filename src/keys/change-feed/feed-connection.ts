import pg from 'pg';
import { forNode } from '../../database/connection-string.ts';
import { isPooled, isRefusedByPooler } from '../../database/pooler.ts';
import type { Change } from './change.ts';
import type { Batch, ChangeSource, ConnectLimits, Lag } from './change-source.ts';
import { endBlockingSessions, type LoginSessions } from './login-sessions.ts';

const POOLED =
  'the URL of the change feed leads to a connection pooler; set CHANGE_FEED_DATABASE_URL to the server itself';

export interface FeedConnectionOptions {
  connectTimeoutMs: number;
  queryTimeoutMs: number;
  /** Called when notifications may not arrive, because a pooler is between this process and the server. */
  onPooled?: () => void;
}

/** A connection for the change feed only, outside of the pool: a busy pool must not delay an invalidation. */
export class FeedConnection {
  readonly #client: pg.Client;

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async open(
    url: string,
    options: FeedConnectionOptions,
    listeners: { onNotify: () => void; onDisconnect: (error: Error) => void },
    limits?: ConnectLimits,
  ): Promise<FeedConnection> {
    const client = new pg.Client({
      connectionString: forNode(url),
      application_name: 'iam-change-feed',
      connectionTimeoutMillis: limits?.timeoutMs ?? options.connectTimeoutMs,
      statement_timeout: options.queryTimeoutMs,
      query_timeout: options.queryTimeoutMs,
      keepAlive: true,
    });
    client.on('notification', listeners.onNotify);
    client.on('error', listeners.onDisconnect);
    client.on('end', () => listeners.onDisconnect(new Error('the connection of the change feed ended')));
    const connection = new FeedConnection(client);
    const abort = () => connection.close();
    limits?.signal.addEventListener('abort', abort);
    try {
      await client.connect();
    } catch (error) {
      connection.close();
      if (isRefusedByPooler(error)) throw new Error(POOLED, { cause: error });
      throw error;
    } finally {
      limits?.signal.removeEventListener('abort', abort);
    }
    return connection;
  }

  /** Whether a connection pooler is between this process and the server. */
  get pooled(): Promise<boolean> {
    return isPooled(this.#client);
  }

  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.#client.query<Row>(text, values)).rows;
  }

  /** Destroys the socket: the orderly close of the protocol would wait for a peer that may be unreachable. */
  close(): void {
    this.#client.removeAllListeners('notification');
    (this.#client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  }
}

/** A source that reads over a `FeedConnection`. */
export abstract class ConnectedSource implements ChangeSource {
  readonly #url: string;
  readonly #options: FeedConnectionOptions;
  #connection: FeedConnection | undefined;

  constructor(url: string, options: FeedConnectionOptions) {
    this.#url = url;
    this.#options = options;
  }

  abstract readBacklog(
    windowMs: number,
    limit: number,
  ): Promise<{ changes: Change[]; trustedSinceMs: number }>;
  abstract read(): Promise<Batch>;
  abstract lag(): Promise<Lag | undefined>;
  /** Runs on every new connection, before the first read. */
  protected abstract prepare(): Promise<void>;

  async connect(
    onNotify: () => void,
    onDisconnect: (error: Error) => void,
    limits?: ConnectLimits,
  ): Promise<void> {
    await this.take(await FeedConnection.open(this.#url, this.#options, { onNotify, onDisconnect }, limits));
  }

  /** As `connect`, over a connection that is already open. */
  async take(connection: FeedConnection): Promise<void> {
    this.#connection = connection;
    await this.prepare();
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  async endBlockingSessions(): Promise<LoginSessions> {
    const [row] = await this.query<{ ended: number; usage: number }>(endBlockingSessions());
    return { ended: row?.ended ?? 0, notifyQueueUsage: row?.usage ?? 0 };
  }

  /** Calls `onPooled` if a pooler is between this process and the server. */
  protected async reportPooler(): Promise<void> {
    if (await this.#connection?.pooled) this.#options.onPooled?.();
  }

  /**
   * Runs a SELECT and returns the replica's clock with its rows: one row of nulls if there are no others.
   * @param key column that orders the rows and is never NULL
   */
  protected async queryWithClock<Row extends object>(
    select: string,
    key: keyof Row & string,
    values: unknown[],
  ): Promise<{ rows: Row[]; replicaTimeMs: number }> {
    const rows = await this.query<Row & { replica_time: string }>(
      `SELECT found.*, extract(epoch FROM clock_timestamp()) AS replica_time
       FROM (SELECT) AS always LEFT JOIN (${select}) AS found ON true ORDER BY found.${key}`,
      values,
    );
    return {
      rows: rows.filter((row) => row[key] !== null),
      replicaTimeMs: Number(rows[0]?.replica_time) * 1_000,
    };
  }

  protected query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]> {
    if (this.#connection === undefined) throw new Error('the change feed is not connected');
    return this.#connection.query<Row>(text, values);
  }
}
