import { describe, expect, it } from 'vitest';
import { ClientAddresses } from '../../../src/http/client-addresses.ts';

const addresses = new ClientAddresses(['10.0.0.0/8', '192.0.2.1', '2001:db8:1::/48']);

function addressOf(remoteAddress: string, forwardedFor?: string): string {
  return addresses.addressOf(addresses.peerOf({ remoteAddress }), forwardedFor);
}

describe('the address of a client', () => {
  it.each([
    ['198.51.100.7', undefined, '198.51.100.7'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['10.0.0.1', '198.51.100.7', '198.51.100.7'],
    ['::ffff:10.0.0.1', '198.51.100.7', '198.51.100.7'],
    ['2001:db8:1:9::1', '2001:db8:2::1', '2001:db8:2::1'],
    ['10.0.0.1', '198.51.100.7, 10.0.0.2,192.0.2.1', '198.51.100.7'],
    ['10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['10.0.0.1', '198.51.100.7:4711', '198.51.100.7'],
    ['10.0.0.1', '[2001:db8:2::1]:4711', '2001:db8:2::1'],
  ])('of %s with X-Forwarded-For %s is %s', (peer, forwardedFor, address) => {
    expect(addressOf(peer, forwardedFor)).toBe(address);
  });

  it('is not what a client claims without a trusted proxy', () => {
    expect(addressOf('198.51.100.7', '203.0.113.1')).toBe('198.51.100.7');
    expect(addressOf('11.0.0.1', '203.0.113.1')).toBe('11.0.0.1');
  });

  it('is not what a client claims through a trusted proxy', () => {
    expect(addressOf('10.0.0.1', '203.0.113.1, 198.51.100.7')).toBe('198.51.100.7');
    expect(addressOf('10.0.0.1', '203.0.113.1, 198.51.100.7, 10.0.0.2')).toBe('198.51.100.7');
  });

  it('is the address of the last proxy if that proxy states none', () => {
    expect(addressOf('10.0.0.1', '')).toBe('10.0.0.1');
    expect(addressOf('10.0.0.1', '198.51.100.7, unknown')).toBe('10.0.0.1');
    expect(addressOf('10.0.0.1', 'unknown, 10.0.0.2')).toBe('10.0.0.2');
  });
});

describe('the network of a client', () => {
  it('is the /64 of an IPv6 address, with and without a proxy', () => {
    const direct = addresses.peerOf({ remoteAddress: '2001:db8:2:3::9' });
    const proxied = addresses.peerOf({ remoteAddress: '10.0.0.1' });
    expect(addresses.networkOf(direct, undefined)).toBe('2001:db8:2:3::/64');
    expect(addresses.networkOf(proxied, '2001:db8:2:3::8')).toBe('2001:db8:2:3::/64');
  });

  it('is not what a client claims without a trusted proxy', () => {
    const direct = addresses.peerOf({ remoteAddress: '198.51.100.7' });
    const proxied = addresses.peerOf({ remoteAddress: '10.0.0.1' });
    expect(addresses.networkOf(direct, '203.0.113.1')).toBe('198.51.100.7');
    expect(addresses.networkOf(proxied, '203.0.113.1, 198.51.100.7')).toBe('198.51.100.7');
    expect(addresses.networkOf(proxied, undefined)).toBe('10.0.0.1');
  });

  it('is still known after the connection is closed', () => {
    const socket: { remoteAddress: string | undefined } = { remoteAddress: '198.51.100.7' };
    addresses.peerOf(socket);
    socket.remoteAddress = undefined;
    expect(addresses.peerOf(socket).network).toBe('198.51.100.7');
  });
});
