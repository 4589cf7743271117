import type { Peer } from './client-addresses.ts';

export interface ConnectionLimitsOptions {
  /** Open connections of the process. */
  max: number;
  /** Open connections of one client, see `clientNetwork`. Trusted proxies do not count: they have many clients. */
  maxPerClient: number;
}

/** Counts open connections, and bounds them. */
export class ConnectionLimits {
  readonly #options: ConnectionLimitsOptions;
  readonly #byClient = new Map<string, number>();
  #open = 0;

  constructor(options: ConnectionLimitsOptions) {
    this.#options = options;
  }

  /** Connections that are open at the moment. */
  get open(): number {
    return this.#open;
  }

  /** Counts a new connection until `close`. @returns the limit that refuses it, which is then not counted */
  add({ network, isProxy }: Peer): 'connections' | 'connections_per_address' | undefined {
    const ofClient = this.#byClient.get(network) ?? 0;
    if (!isProxy && ofClient >= this.#options.maxPerClient) return 'connections_per_address';
    if (this.#open >= this.#options.max) return 'connections';
    this.#open += 1;
    this.#byClient.set(network, ofClient + 1);
    return undefined;
  }

  /** Ends the count of a connection. */
  close({ network }: Peer): void {
    this.#open -= 1;
    const ofClient = (this.#byClient.get(network) ?? 0) - 1;
    if (ofClient <= 0) this.#byClient.delete(network);
    else this.#byClient.set(network, ofClient);
  }
}
