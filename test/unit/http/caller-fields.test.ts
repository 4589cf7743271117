import { expect, it } from 'vitest';
import { callerFields } from '../../../src/http/caller-fields.ts';
import { authorizationOf, newCredential } from '../../support/keys.ts';

it('ids of callers become ECS fields', () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  expect(callerFields({ 'x-opaque-id': 'node-1', traceparent })).toEqual({
    'labels.opaque_id': 'node-1',
    'trace.id': '0af7651916cd43dd8448eb211c80319c',
  });
});

it('what is no id, and may be a credential in the wrong header, is left out', () => {
  const credential = authorizationOf(newCredential()).slice('ApiKey '.length);
  for (const text of ['', 'a b', 'x\n{"forged":1}', credential, `ApiKey ${credential}`, 'x'.repeat(65)]) {
    expect(callerFields({ 'x-opaque-id': text, traceparent: text })).toEqual({});
  }
});
