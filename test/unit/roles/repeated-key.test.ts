import fc from 'fast-check';
import { expect, it } from 'vitest';
import { repeatedKey } from '../../../src/roles/repeated-key.ts';

it.each([
  ['{"a":1,"a":2}', 'a'],
  ['{"a":{"b":[1,{"c":1,"d":2,"c":3}]}}', 'c'],
  ['{ "a" : 1 ,\n "\\u0061" : 2 }', 'a'],
  ['[{"a":1},{"b":1,"b":2}]', 'b'],
  ['{"":1,"":2}', ''],
  ['{"__proto__":1,"__proto__":2}', '__proto__'],
])('finds the repeated key of %s', (json, key) => {
  expect(repeatedKey(json)).toBe(key);
});

it.each([
  '{"a":"a","b":["a","a"],"c":{"a":1}}',
  '{"a":"{\\"a\\":1,\\"a\\":2}"}',
  '[{"a":1},{"a":1}]',
  '["a","a"]',
  '"a"',
  '7',
])('finds no repeated key in %s', (json) => {
  expect(repeatedKey(json)).toBeUndefined();
});

it('finds none in any text that JSON.stringify writes, and the one that is added', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), (value) => {
      const json = JSON.stringify(value);
      expect(repeatedKey(json)).toBeUndefined();
      const key = Object.keys(value)[0] ?? '';
      expect(repeatedKey(`${json.slice(0, -1)},${JSON.stringify(key)}:0}`)).toBe(key);
    }),
  );
});

it('handles nesting of any depth', () => {
  expect(repeatedKey(`${'['.repeat(200_000)}${']'.repeat(200_000)}`)).toBeUndefined();
});
