import { expect, it } from 'vitest';
import { z } from 'zod';
import { parseIgnoringNulls } from '../../../src/roles/null-fields.ts';

/** An object with a null field at this depth. */
const nested = (depth: number): unknown => (depth === 1 ? { a: null } : { a: nested(depth - 1) });

it('takes null for absent in 32 levels of an input', () => {
  const text = (depth: number) => JSON.stringify(parseIgnoringNulls(z.unknown(), nested(depth)));
  expect(text(32)).not.toContain('null');
  expect(text(33)).toContain('null');
});

it('names unknown fields once, with or without null, beside other violations', () => {
  const schema = z.strictObject({ name: z.string(), note: z.string().optional() });
  expect(parseIgnoringNulls(schema, { name: 'n', note: null })).toEqual({ ok: true, value: { name: 'n' } });
  const unknown = { path: 'limit', message: 'unknown field "limit"' };
  expect(parseIgnoringNulls(schema, { name: 'n', limit: null })).toEqual({
    ok: false,
    violations: [unknown],
  });
  const both = { ok: false, violations: [{ path: 'name', message: 'must be a string' }, unknown] };
  expect(parseIgnoringNulls(schema, { name: 1, limit: null })).toEqual(both);
  expect(parseIgnoringNulls(schema, { name: 1, limit: 1 })).toEqual(both);
});
