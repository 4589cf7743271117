import { expect, it } from 'vitest';
import { TracelessError } from '../../../src/lib/traceless-error.ts';

it('has a message and a cause, and no trace; errors after it have one', () => {
  const cause = new Error('the cause');
  const error = new TracelessError('refused', { cause });
  expect(error.message).toBe('refused');
  expect(error.cause).toBe(cause);
  expect(error.stack).toBe('Error: refused');
  expect(new Error('unexpected').stack).toContain('traceless-error.test.ts');
});
