import type { Config } from '../../config.ts';
import type { Change } from './change.ts';
import type { Batch, ChangeSource, Lag } from './change-source.ts';
import { FeedConnection, type FeedConnectionOptions, type FeedConnectionUser } from './feed-connection.ts';
import { ListenSource } from './listen-source.ts';
import { PollSource } from './poll-source.ts';

/** The source that fits the replica, by `FEED_MODE`. */
export function changeSourceFor(config: Config, now: () => number): ChangeSource {
  const url = config.CHANGE_FEED_DATABASE_URL ?? config.REPLICA_DATABASE_URL ?? '';
  const options: FeedConnectionOptions = {
    connectTimeoutMs: config.DATABASE_CONNECT_TIMEOUT_MS,
    queryTimeoutMs: config.DATABASE_QUERY_TIMEOUT_MS,
  };
  const listen = () => new ListenSource(url, options, now);
  const poll = () => new PollSource(url, options, now);
  if (config.FEED_MODE === 'listen') return listen();
  if (config.FEED_MODE === 'poll') return poll();
  return new DetectedSource(url, options, (standby) => (standby ? poll() : listen()));
}

/**
 * Asks the replica, on the first connection, whether it is a physical standby, and is the fitting source from then on,
 * beginning with that connection: to log in takes longer than all the first reads.
 */
class DetectedSource implements ChangeSource {
  readonly #url: string;
  readonly #options: FeedConnectionOptions;
  readonly #choose: (standby: boolean) => FeedConnectionUser;
  #chosen: FeedConnectionUser | undefined;

  constructor(url: string, options: FeedConnectionOptions, choose: (standby: boolean) => FeedConnectionUser) {
    this.#url = url;
    this.#options = options;
    this.#choose = choose;
  }

  async connect(wake: () => void, broken: (error: Error) => void): Promise<void> {
    if (this.#chosen !== undefined) return await this.#chosen.connect(wake, broken);
    const connection = await FeedConnection.open(this.#url, this.#options, { notified: wake, broken });
    try {
      const [row] = await connection.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
      this.#chosen = this.#choose(row?.standby === true);
    } catch (error) {
      connection.close();
      throw error;
    }
    await this.#chosen.take(connection);
  }

  begin(windowMs: number, limit: number): Promise<{ changes: Change[]; trustedSinceMs: number }> {
    return this.#source.begin(windowMs, limit);
  }

  read(): Promise<Batch> {
    return this.#source.read();
  }

  lag(): Promise<Lag | undefined> {
    return this.#source.lag();
  }

  close(): void {
    this.#chosen?.close();
  }

  get #source(): ChangeSource {
    if (this.#chosen === undefined) throw new Error('not connected');
    return this.#chosen;
  }
}
