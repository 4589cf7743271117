import type { Logger } from 'pino';
import type { Config } from '../../config.ts';
import type { Change } from './change.ts';
import { type Batch, type ChangeSource, type ConnectLimits, type Lag, PATIENCE_MS } from './change-source.ts';
import { type ConnectedSource, FeedConnection, type FeedConnectionOptions } from './feed-connection.ts';
import { ListenSource } from './listen-source.ts';
import type { LoginSessions } from './login-sessions.ts';
import { PollSource } from './poll-source.ts';

const POOLED =
  'the change feed is behind a connection pooler; in transaction mode notifications are lost, and changes apply only every FEED_CHECK_INTERVAL_MS. Set CHANGE_FEED_DATABASE_URL to the server itself';

/** The source for the type of the replica, which `FEED_MODE` sets. */
export function changeSourceFor(config: Config, logger: Logger, now: () => number): ChangeSource {
  const url = config.CHANGE_FEED_DATABASE_URL ?? config.REPLICA_DATABASE_URL ?? '';
  const options: FeedConnectionOptions = {
    connectTimeoutMs: config.DATABASE_CONNECT_TIMEOUT_MS,
    queryTimeoutMs: Math.max(config.DATABASE_QUERY_TIMEOUT_MS, PATIENCE_MS),
    onPooled: once(() => logger.warn(POOLED)),
  };
  const listen = () => new ListenSource(url, options, now);
  const poll = () => new PollSource(url, options, now);
  if (config.FEED_MODE === 'listen') return listen();
  if (config.FEED_MODE === 'poll') return poll();
  return new DetectedSource(url, options, (standby) => (standby ? poll() : listen()));
}

/**
 * Detects on the first connection whether the replica is a physical standby, and delegates to the right source from
 * then on. That source takes over the connection, since a login takes longer than all the first reads.
 */
class DetectedSource implements ChangeSource {
  readonly #url: string;
  readonly #options: FeedConnectionOptions;
  readonly #choose: (standby: boolean) => ConnectedSource;
  #chosen: ConnectedSource | undefined;

  constructor(url: string, options: FeedConnectionOptions, choose: (standby: boolean) => ConnectedSource) {
    this.#url = url;
    this.#options = options;
    this.#choose = choose;
  }

  async connect(
    onNotify: () => void,
    onDisconnect: (error: Error) => void,
    limits?: ConnectLimits,
  ): Promise<void> {
    if (this.#chosen !== undefined) return await this.#chosen.connect(onNotify, onDisconnect, limits);
    const listeners = { onNotify, onDisconnect };
    const connection = await FeedConnection.open(this.#url, this.#options, listeners, limits);
    try {
      const [row] = await connection.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
      this.#chosen = this.#choose(row?.standby === true);
    } catch (error) {
      connection.close();
      throw error;
    }
    await this.#chosen.take(connection);
  }

  readBacklog(windowMs: number, limit: number): Promise<{ changes: Change[]; trustedSinceMs: number }> {
    return this.#source.readBacklog(windowMs, limit);
  }

  read(): Promise<Batch> {
    return this.#source.read();
  }

  lag(): Promise<Lag | undefined> {
    return this.#source.lag();
  }

  endBlockingSessions(): Promise<LoginSessions> {
    return this.#source.endBlockingSessions();
  }

  close(): void {
    this.#chosen?.close();
  }

  get #source(): ChangeSource {
    if (this.#chosen === undefined) throw new Error('the change feed is not connected');
    return this.#chosen;
  }
}

function once(work: () => void): () => void {
  let pending = true;
  return () => {
    if (pending) work();
    pending = false;
  };
}
