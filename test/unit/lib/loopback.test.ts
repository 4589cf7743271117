import { expect, it } from 'vitest';
import { isLoopback } from '../../../src/lib/loopback.ts';

it.each(['localhost', '127.0.0.1', '127.1.2.3', '::1', '[::1]', '::ffff:127.0.0.1'])(
  '%s stays within the machine',
  (host) => {
    expect(isLoopback(host)).toBe(true);
  },
);

it.each([
  '',
  '0.0.0.0',
  '::',
  '10.0.0.1',
  '127.example',
  '127.0.0.1.example',
  '127.0.0.1%x',
  'localhost.example',
  '[::2]',
])('%s may lead elsewhere', (host) => {
  expect(isLoopback(host)).toBe(false);
});
