import { expect, it } from 'vitest';
import { isNetwork, Networks } from '../../../src/lib/networks.ts';

it.each(['10.0.0.0/8', '192.0.2.1', '::1', '2001:db8::/32', 'loopback', '0.0.0.0/0', '127.0.0.1/8'])(
  'accepts the network %s',
  (text) => expect(isNetwork(text)).toBe(true),
);

it.each([
  '',
  'example',
  '10.0.0.0/33',
  '::1/129',
  '10.0.0.0/',
  '10.0.0.0/8/8',
  '10.0.0',
  'toString',
  '1.2.3.4/x',
])('refuses the network "%s"', (text) => expect(isNetwork(text)).toBe(false));

it.each([
  ['127.0.0.1', true],
  ['::ffff:127.0.0.1', true],
  ['::ffff:7f00:1', true],
  ['::1', true],
  ['fe80::1%eth0', true],
  ['10.255.0.1', true],
  ['fd00::1', true],
  ['11.0.0.1', false],
  ['fec0::1', false],
  ['not an address', false],
])('finds whether %s is in a private network: %s', (address, isPrivate) => {
  expect(new Networks(['loopback', 'linklocal', 'uniquelocal']).has(address)).toBe(isPrivate);
});
