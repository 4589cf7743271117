import { connect as connectTcp, type NetConnectOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { AbstractConnector } from 'ioredis';

interface ConnectorOptions {
  host: string;
  port: number;
  family?: number;
  tls?: ConnectionOptions;
  disconnectTimeout: number;
}

/**
 * Connects to one server. ioredis' own connector handles one error of a connection. If the client is closed during a TLS handshake and
 * refuses the certificate, the alert of the server is a second one, which would end the process.
 */
export class RedisConnector extends AbstractConnector {
  readonly #options: ConnectorOptions;

  /** @param options those of the client */
  constructor(options: unknown) {
    super((options as ConnectorOptions).disconnectTimeout);
    this.#options = options as ConnectorOptions;
  }

  override async connect(): Promise<Socket> {
    this.connecting = true;
    // ioredis may close the client in the same turn.
    await Promise.resolve();
    if (!this.connecting) throw new Error('the client was closed');
    const { host, port, family, tls } = this.#options;
    const address = { host, port, ...(family && { family }) } satisfies NetConnectOpts;
    const stream = tls === undefined ? connectTcp(address) : connectTls({ ...address, ...tls });
    stream.on('error', (error) => {
      this.firstError ??= error;
    });
    this.stream = stream;
    return stream;
  }
}
