import { isIP } from 'node:net';
import { Networks } from './networks.ts';

const LOOPBACK = new Networks(['loopback']);

/** Whether a host stays within this machine. @param host a name or an address, IPv6 also in brackets */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1');
  return host === 'localhost' || (isIP(address) !== 0 && LOOPBACK.has(address));
}
