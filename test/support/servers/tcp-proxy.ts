import { once } from 'node:events';
import { createServer, connect as openSocket, type Socket } from 'node:net';
import { Lane } from './proxy-lane.ts';

/** `toServer` carries requests, `toClient` responses. */
type Direction = 'toServer' | 'toClient';

export interface TcpProxy {
  /** On 127.0.0.1. */
  readonly port: number;
  /** Simulates a crash of the server's machine: resets every connection and refuses new ones. */
  cut(): Promise<void>;
  /** Simulates a firewall that drops packets: connections open and stay open, but no data passes. */
  blackhole(): void;
  /** Drops data in one direction, by default the responses. */
  halfOpen(dropped?: Direction): void;
  /** Delays every byte by `delayMs` in both directions and keeps the order. */
  delay(delayMs: number): void;
  /** Passes so many bytes every 5 ms in both directions. */
  drip(bytes: number): void;
  /** Forwards again. Resets connections that lost bytes, because their streams have gaps. */
  restore(): Promise<void>;
  /** Resets every connection and leads new ones to another server, like a name or address that moves. */
  retarget(port: number): void;
  /** Number of open client connections. */
  connections(): number;
  close(): Promise<void>;
}

interface Pair {
  client: Socket;
  lanes: Record<Direction, Lane>;
  reset(): void;
}

/** Starts a TCP proxy in front of a real server, so that a test can break the network and not the server. */
export async function startTcpProxy(options: { targetPort: number; targetHost?: string }): Promise<TcpProxy> {
  const { targetHost = '127.0.0.1' } = options;
  let { targetPort } = options;
  const pairs = new Set<Pair>();
  let dropped: readonly Direction[] = [];
  let delayMs = 0;
  let dripBytes = 0;

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
      // A network that drops packets also hides the end of a client.
      if (!dropped.includes('toServer')) upstream.destroy();
    });
    // Forwards an error, which is a reset or a refused upstream, as a reset.
    client.on('error', () => upstream.resetAndDestroy());
    upstream.on('error', () => {
      if (!dropped.includes('toClient')) client.resetAndDestroy();
    });
  });

  function apply(pair: Pair): void {
    for (const direction of ['toServer', 'toClient'] as const) {
      pair.lanes[direction].dropping = dropped.includes(direction);
      pair.lanes[direction].delayMs = delayMs;
      pair.lanes[direction].dripBytes = dripBytes;
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
    drip: (bytes) => {
      dripBytes = bytes;
      for (const pair of pairs) apply(pair);
    },
    restore: async () => {
      for (const pair of pairs) if (pair.lanes.toServer.lossy || pair.lanes.toClient.lossy) pair.reset();
      delayMs = 0;
      dripBytes = 0;
      drop([]);
      if (!server.listening) await listen(port);
    },
    retarget: (to) => {
      targetPort = to;
      for (const pair of pairs) pair.reset();
    },
    connections: () => pairs.size,
    close: cut,
  };
}
