import { describe, expect, it } from 'vitest';
import { requestedView, storableId } from '../../../../src/control-plane/audit/requested-view.ts';
import { authorizationOf, newCredential } from '../../../support/keys.ts';

describe('the view of a request in an audit event', () => {
  it('keeps ordinary input', () => {
    const input = {
      description: 'ci',
      expiration: '30d',
      role_assignments: { organization: [{ role_id: 'x' }] },
    };
    expect(requestedView(input)).toEqual(input);
  });

  it('omits credentials and anything as long as a secret, in values and in names', () => {
    const { secret, ...credential } = newCredential();
    const encoded = authorizationOf({ ...credential, secret }).replace('ApiKey ', '');
    const native = Buffer.from('VuaCfGcBCdbkQm-e5aOx:ui2lp2axTNmsyakw9tvNnw').toString('base64');
    const text = JSON.stringify(requestedView({ a: `x ${encoded}`, [encoded]: secret, list: [native] }));
    for (const hidden of [encoded, secret, native, native.slice(10, 50)]) expect(text).not.toContain(hidden);
  });

  it('replaces text that Postgres cannot store', () => {
    expect(requestedView({ 'a\0': ['b\0', '\ud800'] })).toEqual({ 'a\ufffd': ['b\ufffd', '\ufffd'] });
    expect(storableId('a\0b')).toBe('a\ufffdb');
  });

  it('has a bound for size and depth', () => {
    expect(requestedView({ text: 'a b '.repeat(4_000) })).toEqual({ text: 'a b '.repeat(4_000) });
    expect(requestedView({ text: 'a b '.repeat(10_000) })).toEqual({ omitted: expect.any(String) });
    expect(JSON.stringify(requestedView(Array.from({ length: 500 }, () => 'word '.repeat(20))))).toMatch(
      /omitted/,
    );
    let deep: unknown = 'x';
    for (let depth = 0; depth < 100; depth += 1) deep = [deep];
    expect(JSON.stringify(requestedView(deep)).length).toBeLessThan(50);
    expect(storableId('a '.repeat(10_000))).toHaveLength(512);
  });
});
