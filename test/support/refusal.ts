import { expect } from 'vitest';
import { ERRORS } from '../../src/errors.ts';
import type { ApiResponse } from './regional.ts';

/**
 * Expects an answer to be the given error of the registry, in the one shape all errors have, and to repeat nothing
 * of what was sent.
 * @param secrets texts that must not appear anywhere in the answer
 */
export function expectRefusal(
  answer: ApiResponse,
  status: number,
  code: string,
  secrets: readonly string[] = [],
): void {
  expect([answer.status, answer.body?.error?.code]).toEqual([status, code]);
  expect(answer.body).toEqual({
    request_id: expect.stringMatching(/./),
    error: {
      code,
      message: expect.stringMatching(/^[A-Za-z].*\.?$/s),
      resource: answer.body.error.resource === null ? null : expect.any(String),
      type: Object.values(ERRORS).find((row) => row.uiam.code === code)?.uiam.type,
    },
  });
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
  expect(answer.headers.get('retry-after')).toBe(status === 503 ? '1' : null);
  const everything = JSON.stringify([answer.body, ...answer.headers]);
  for (const secret of secrets) expect(everything).not.toContain(secret);
}
