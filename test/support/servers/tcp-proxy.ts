import { once } from 'node:events';
import { createServer, connect as openSocket, type Socket } from 'node:net';
import { Lane } from './proxy-lane.ts';

/** `toServer` carries what the client says, `toClient` what the server answers. */
type Direction = 'toServer' | 'toClient';

export interface TcpProxy {
  /** On 127.0.0.1. */
  readonly port: number;
  /** As when the server's machine dies: every connection is reset, a new one is refused. */
  cut(): Promise<void>;
  /** As behind a firewall that drops: connections open (or stay open), nothing is ever answered. */
  blackhole(): void;
  /** Drops what goes in one direction only, by default the answers. */
  halfOpen(dropped?: Direction): void;
  /** Every byte arrives `delayMs` later, in order, in both directions. */
  delay(delayMs: number): void;
  /** Back to plain forwarding. Connections that lost bytes are reset: their streams have holes. */
  restore(): Promise<void>;
  /** Connections that clients hold open right now. */
  connections(): number;
  close(): Promise<void>;
}

interface Pair {
  client: Socket;
  lanes: Record<Direction, Lane>;
  reset(): void;
}

/** A TCP proxy in front of a real server, so that a test breaks the network and not the server. */
export async function startTcpProxy(options: { targetPort: number; targetHost?: string }): Promise<TcpProxy> {
  const { targetPort, targetHost = '127.0.0.1' } = options;
  const pairs = new Set<Pair>();
  let dropped: readonly Direction[] = [];
  let delayMs = 0;

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = openSocket({ port: targetPort, host: targetHost, allowHalfOpen: true, noDelay: true });
    const pair: Pair = {
      client,
      lanes: { toServer: new Lane(client, upstream), toClient: new Lane(upstream, client) },
      reset: () => {
        client.resetAndDestroy();
        upstream.resetAndDestroy();
      },
    };
    apply(pair);
    pairs.add(pair);
    client.once('close', () => {
      pairs.delete(pair);
      // A client that vanished cannot be noticed through a network that drops its packets.
      if (!dropped.includes('toServer')) upstream.destroy();
    });
    // An error is a reset (or a refused upstream): hand it on as one.
    client.on('error', () => upstream.resetAndDestroy());
    upstream.on('error', () => {
      if (!dropped.includes('toClient')) client.resetAndDestroy();
    });
  });

  function apply(pair: Pair): void {
    for (const direction of ['toServer', 'toClient'] as const) {
      pair.lanes[direction].dropping = dropped.includes(direction);
      pair.lanes[direction].delayMs = delayMs;
    }
  }
  function drop(directions: readonly Direction[]): void {
    dropped = directions;
    for (const pair of pairs) apply(pair);
  }
  async function listen(port: number): Promise<number> {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as { port: number }).port;
  }
  async function cut(): Promise<void> {
    const closed = server.listening ? once(server, 'close') : undefined;
    if (closed) server.close();
    for (const pair of pairs) pair.reset();
    await closed;
  }

  const port = await listen(0);
  return {
    port,
    cut,
    blackhole: () => drop(['toServer', 'toClient']),
    halfOpen: (direction = 'toClient') => drop([direction]),
    delay: (ms) => {
      delayMs = ms;
      for (const pair of pairs) apply(pair);
    },
    restore: async () => {
      for (const pair of pairs) if (pair.lanes.toServer.lossy || pair.lanes.toClient.lossy) pair.reset();
      delayMs = 0;
      drop([]);
      if (!server.listening) await listen(port);
    },
    connections: () => pairs.size,
    close: cut,
  };
}
