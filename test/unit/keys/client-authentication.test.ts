import { describe, expect, it } from 'vitest';
import { ClientAuthentication } from '../../../src/keys/client-authentication.ts';

const rule = new ClientAuthentication(['old-secret', 'new-secret']);

describe('ClientAuthentication', () => {
  it.each([
    // internal, secret, certificate, allowed
    [true, undefined, false, false],
    [true, 'wrong', false, false],
    [true, '', false, false],
    [true, 'new-secret', false, true],
    [true, 'old-secret', false, true],
    [true, undefined, true, true],
    [true, 'wrong', true, true],
    [false, undefined, false, true],
    [false, 'wrong', false, false],
    [false, '', false, false],
    [false, 'new-secret', false, false],
    [false, undefined, true, false],
  ])(
    'with internal %s, secret %s and certificate %s returns %s',
    (internal, secret, certificate, allowed) => {
      expect(rule.allows(internal, { secret, certificate })).toBe(allowed);
    },
  );

  it('compares the whole header value: no scheme, no list, no padding', () => {
    for (const secret of ['SharedSecret new-secret', 'old-secret,new-secret', ' new-secret', 'new-secret ']) {
      expect(rule.isTrusted({ secret, certificate: false })).toBe(false);
    }
  });

  it('trusts no secret when none is configured', () => {
    const none = new ClientAuthentication([]);
    for (const secret of ['', 'undefined', 'null', undefined]) {
      expect(none.isTrusted({ secret, certificate: false })).toBe(false);
    }
  });

  it('accepts replaced secrets at once, and the previous ones no longer', () => {
    const replaced = new ClientAuthentication(['first']);
    replaced.replace(['second']);
    expect(replaced.isTrusted({ secret: 'second', certificate: false })).toBe(true);
    expect(replaced.isTrusted({ secret: 'first', certificate: false })).toBe(false);
  });
});
