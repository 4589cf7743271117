import { isIP } from 'node:net';
import { Networks } from '../lib/networks.ts';
import { clientNetwork } from './client-network.ts';

/** The other end of a connection: a client or a trusted proxy. */
export interface Peer {
  address: string;
  /** What limits count by, see `clientNetwork`. */
  network: string;
  /** Whether its X-Forwarded-For states the address of the client. */
  isProxy: boolean;
}

/** An address, which some proxies write with a port: `192.0.2.7:4711`, `[2001:db8::1]:4711`. */
const WITH_PORT = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d+)?$/;

/** Finds the addresses of clients, also behind trusted proxies. */
export class ClientAddresses {
  readonly #proxies: Networks;
  /** By socket, because a closed one has no address any more. */
  readonly #peers = new WeakMap<object, Peer>();

  /** @param trustedProxies addresses and networks */
  constructor(trustedProxies: readonly string[]) {
    this.#proxies = new Networks(trustedProxies);
  }

  peerOf(socket: { remoteAddress?: string | undefined }): Peer {
    let peer = this.#peers.get(socket);
    if (peer === undefined) {
      const address = socket.remoteAddress ?? '';
      peer = { address, network: clientNetwork(address), isProxy: this.#proxies.has(address) };
      this.#peers.set(socket, peer);
    }
    return peer;
  }

  /** The address of the client. @param forwardedFor value of X-Forwarded-For */
  addressOf(peer: Peer, forwardedFor: string | string[] | undefined): string {
    return peer.isProxy && forwardedFor !== undefined
      ? this.#forwarded(peer.address, String(forwardedFor))
      : peer.address;
  }

  /** The network of the client. @param forwardedFor value of X-Forwarded-For */
  networkOf(peer: Peer, forwardedFor: string | string[] | undefined): string {
    return peer.isProxy && forwardedFor !== undefined
      ? clientNetwork(this.#forwarded(peer.address, String(forwardedFor)))
      : peer.network;
  }

  /** Each proxy appends the address from which it got the request, so only what trusted proxies wrote counts. */
  #forwarded(proxy: string, forwardedFor: string): string {
    let address = proxy;
    for (const item of forwardedFor.split(',').reverse()) {
      const text = item.trim();
      const [, inBrackets, plain] = WITH_PORT.exec(text) ?? [];
      const next = inBrackets ?? plain ?? text;
      if (isIP(next) === 0) return address;
      address = next;
      if (!this.#proxies.has(address)) return address;
    }
    return address;
  }
}
